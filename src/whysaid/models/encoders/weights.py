"""Pretrained weights: the published ones, a file's, or none."""

from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from whysaid.errors import UserError
from whysaid.run.torch_file import Unreadable, load_torch

StateDict = Mapping[str, Tensor]


def load_weights(
    module: nn.Module,
    weights: str | None,
    imagenet: Callable[[], StateDict],
    head: tuple[str, ...],
    rename: Callable[[str], str] = str,
    published: str = "imagenet",
    key: str = "encoder.weights",
) -> None:
    """Fills `module`, every tensor of it, or raises UserError with what does not fit.

    Args:
        module: the encoder's network.
        weights: what `published` says, the path of a `.pth` or `.safetensors` file, or None to leave `module` as it is.
        imagenet: fetches the published weights.
        head: beginnings of (renamed) keys that only a classifier has; they are passed over.
        rename: from the published key to the name in `module`.
        published: the word that asks for the published weights.
        key: of the configuration, for errors.
    """
    if weights is None:
        return
    path = Path(weights).expanduser()
    state = _published(imagenet, published, key) if weights == published else _read(path, published, key)
    renamed = {rename(name): value for name, value in state.items()}
    wanted = {name: value for name, value in renamed.items() if not name.startswith(head)}
    _check(module, wanted, weights, key.partition(".")[0])
    module.load_state_dict(wanted, strict=False)


def _published(imagenet: Callable[[], StateDict], published: str, key: str) -> StateDict:
    try:
        return imagenet()
    except (OSError, RuntimeError) as error:  # no network (URLError is an OSError), or a download cut short
        raise UserError(
            f"the published weights ({published}) could not be downloaded ({error}): "
            f"fetch the file elsewhere and set {key} to its path"
        ) from error


def _read(path: Path, published: str, key: str) -> StateDict:
    if not path.is_file():
        raise UserError(f"there is no weights file {path}: set {key} to {published}, a path, or null")
    if path.suffix not in (".pth", ".safetensors"):
        raise UserError(f"{path} is not a weights file: {key} takes .pth and .safetensors")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else load_torch(path, legacy=True)
    except (SafetensorError, Unreadable, OSError) as error:
        raise UserError(f"{path} cannot be read as weights ({_first_line(error)}): fetch it again") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} is not a state dict (names to tensors): save `model.state_dict()` there")
    return state


def _check(module: nn.Module, state: StateDict, weights: str, kind: str) -> None:
    """Compares all but BatchNorm's `num_batches_tracked`, which older files lack and evaluation does not use."""
    own = {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
    offered = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    problems = [f"{key} is missing" for key in own if key not in offered]
    problems += [f"{key} is unexpected" for key in offered if key not in own]
    problems += [
        f"{key} is {tuple(offered[key].shape)}, expected {tuple(own[key].shape)}"
        for key in own
        if key in offered and offered[key].shape != own[key].shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + ("" if len(problems) <= 5 else f"; and {len(problems) - 5} more")
        raise UserError(f"{weights} does not fit this {kind}: {shown}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
