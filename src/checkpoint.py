"""Checkpoints: finding, reading and fitting them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from hydra.utils import get_object
from torch import Tensor, nn

from src.data.images import Preprocessing
from src.data.vocabulary import Vocabulary
from src.errors import UserError

T = TypeVar("T")


@dataclass
class Checkpoint:
    """What any door needs of a checkpoint: plain containers and tensors, nothing pickled.

    path: the file. config: the run's resolved configuration. weights: of the model inside the LightningModule.
    """

    path: Path
    config: dict[str, Any]
    weights: dict[str, Tensor]
    vocabulary: Vocabulary
    preprocessing: Preprocessing


def read_checkpoint(path: str | Path, module: str = "captioner") -> Checkpoint:
    """A checkpoint's contents, with `weights_only=True`: pickled code is refused.

    Args:
        path: of a `.ckpt`.
        module: name of the model inside the LightningModule.
    """

    def contents(raw: Mapping[str, Any]) -> Checkpoint:
        weights = {k.removeprefix(f"{module}."): v for k, v in raw["state_dict"].items() if k.startswith(f"{module}.")}
        preprocessing = Preprocessing.from_dict(raw["preprocessing"])
        return Checkpoint(Path(path), raw["config"], weights, Vocabulary(raw["vocabulary"]), preprocessing)

    return _read(path, module, contents)


def _read(path: str | Path, kind: str, contents: Callable[[Mapping[str, Any]], T]) -> T:
    """What `contents` finds in a checkpoint; UserError where that is not there, or the file is not whole."""
    if not Path(path).is_file():
        raise UserError(f"there is no checkpoint {path}: train one with `python -m src.train experiment=NAME`")
    try:
        return contents(torch.load(path, "cpu", weights_only=True))
    except Exception as error:  # torch raises many kinds for a truncated or foreign file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} is not a whole checkpoint of a {kind} ({reason}): train again") from error


def stored_config(path: str | Path) -> dict[str, Any]:
    """The resolved configuration of the run that a checkpoint comes from."""
    return _read(path, "model", lambda raw: dict(raw["config"]))


def fit_weights(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Loads the weights; UserError, naming the first that differs, where the architecture is another."""
    wanted, given = model.state_dict(), checkpoint.weights
    problem = _difference(wanted, given)
    if problem:
        raise UserError(
            f"{checkpoint.path} does not fit this model ({problem}): "
            "use the model, encoder and sizes that it was trained with"
        )
    model.load_state_dict(given)


def require_vocabulary(own: Vocabulary, checkpoint: Checkpoint) -> None:
    """UserError where a data set's vocabulary is not the checkpoint's."""
    if own.words != checkpoint.vocabulary.words:
        raise UserError(
            f"{checkpoint.path} has a vocabulary of {len(checkpoint.vocabulary)} words that is not this data's "
            f"({len(own)} words): use the data set and data.min_count that it was trained with"
        )


def require_own_targets(config: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """UserError where a checkpoint's configuration names code that is not this project's: it would be called.

    Args:
        config: what of the checkpoint's configuration will be instantiated, plain containers.
        checkpoint: named in the error.
    """
    for node in _targets(config):
        if not _is_own(node):
            named = node["path"] if node["_target_"] == _GET_OBJECT and "path" in node else node["_target_"]
            raise UserError(f"{checkpoint.path} asks for {named}, which is not part of this project: not loaded")


_GET_OBJECT = "hydra.utils.get_object"
"""A target that gives a constant, such as a table of words."""

_PARTS = tuple(f"src.{part}." for part in ("data", "decoding", "metrics", "models"))
"""What a checkpoint may ask for."""


def _targets(config: Any) -> Iterator[Mapping[str, Any]]:
    """The nodes of a configuration that name something to call."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list | tuple):
        for node in config:
            yield from _targets(node)


def _is_own(node: Mapping[str, Any]) -> bool:
    """Whether a node names a class of this project, a function called without arguments, or a constant.

    The beginning of the name alone would not do: `src.door.os.system` is found through a module of the project.
    """
    constant = node["_target_"] == _GET_OBJECT
    name = str(node.get("path") if constant else node["_target_"])
    if not name.startswith(_PARTS):
        return False
    try:
        found = get_object(name)
    except Exception:  # whatever importing it raises: it is not there
        return False
    if constant:
        return not callable(found) and not isinstance(found, ModuleType)
    return found.__module__.startswith(_PARTS) and (isinstance(found, type) or set(node) == {"_target_"})


def newest(folder: Path) -> Path:
    """The checkpoint to continue from: `last.ckpt` in a run directory."""
    last = folder / "checkpoints" / "last.ckpt"
    if not last.exists():
        raise UserError(f"{folder} holds no checkpoints/last.ckpt: the run ended before its first one; start it anew")
    return last


def _difference(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    missing, extra = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    shapes = [name for name in wanted.keys() & given.keys() if wanted[name].shape != given[name].shape]
    if missing:
        return f"it lacks {missing[0]}"
    if extra:
        return f"it has {extra[0]}, which the model lacks"
    if shapes:
        name = min(shapes)
        return f"{name} is {tuple(given[name].shape)}, the model has {tuple(wanted[name].shape)}"
    return ""
