"""The layer that the first number comes from that is not finite."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from whysaid.models.explainable import Explainable


def non_finite_layer(model: nn.Module, run: Callable[[], object]) -> str | None:
    """Names the first layer with weights whose result is not finite; None where all are finite.

    Args:
        model: the model whose layers are watched; nothing is hung on them.
        run: runs the model, or a part of it, once.
    """
    with _Watch(model) as watch:
        run()
    return watch.layer


def non_finite_decoder_layer(model: Explainable, embedded: Tensor, regions: Tensor, mask: Tensor | None) -> str:
    """Names the first layer behind the encoder whose result is not finite, or the scores.

    Args:
        model: the model.
        embedded: (N, S, E) words.
        regions: (B, R, D) as the encoder gives them.
        mask: (B, R) of these, or None.
    """
    layer = non_finite_layer(model, lambda: model.head(model.read(embedded, model.project(regions, mask)).output))
    return layer or "the scores"


class _Watch(TorchFunctionMode):
    """Looks at the result of every function that is given one of the model's weights."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.names = {id(weight): name.rpartition(".")[0] or name for name, weight in model.named_parameters()}
        self.layer: str | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Calls the function and looks at its result; inside, the mode is off."""
        result = func(*args, **(kwargs or {}))
        if self.layer is None and isinstance(result, Tensor):
            layers = [self.names[id(part)] for part in _tensors((*args, *(kwargs or {}).values())) if self._known(part)]
            if layers and not result.isfinite().all():
                self.layer = layers[0]
        return result

    def _known(self, part: Tensor) -> bool:
        return id(part) in self.names


def _tensors(parts: Iterable[Any]) -> Iterator[Tensor]:
    for part in parts:
        if isinstance(part, Tensor):
            yield part
        elif isinstance(part, tuple | list):
            yield from _tensors(part)
