"""Which layer the first number that is not finite comes from."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from whysaid.models.explainable import Explainable


def broken_layer(model: nn.Module, run: Callable[[], object]) -> str | None:
    """Name of the first layer with weights whose result is not finite; None where all are.

    Args:
        model: whose layers are looked at; nothing is hung on them.
        run: runs it, or a part of it, once.
    """
    with _Watch(model) as watch:
        run()
    return watch.found


def broken_decoder_layer(model: Explainable, embedded: Tensor, regions: Tensor, mask: Tensor | None) -> str:
    """The same of what follows the encoder.

    Args:
        embedded: words (N, S, E). regions, mask: (B, R, D) and (B, R), as the encoder gives them.
    """
    found = broken_layer(model, lambda: model.head(model.read(embedded, model.project(regions, mask)).output))
    return found or "the scores"


class _Watch(TorchFunctionMode):
    """Looks at what comes of every function that is given one of the model's weights."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.names = {id(weight): name.rpartition(".")[0] or name for name, weight in model.named_parameters()}
        self.found: str | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Inside, the mode is off."""
        result = func(*args, **(kwargs or {}))
        if self.found is None and isinstance(result, Tensor):
            layers = [self.names[id(part)] for part in _tensors((*args, *(kwargs or {}).values())) if self._known(part)]
            if layers and not result.isfinite().all():
                self.found = layers[0]
        return result

    def _known(self, part: Tensor) -> bool:
        return id(part) in self.names


def _tensors(parts: Iterable[Any]) -> Iterator[Tensor]:
    for part in parts:
        if isinstance(part, Tensor):
            yield part
        elif isinstance(part, tuple | list):
            yield from _tensors(part)
