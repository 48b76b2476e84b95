"""Model randomisation: does a map change when the weights that it should depend on are gone? (Adebayo et al. 2018)"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def layers_from_the_top(model: nn.Module, run: Callable[[], object]) -> list[str]:
    """Names of the modules with weights of their own, from the scores back to the input.

    Args:
        model: left as it was found.
        run: runs it once; a module that is called several times stands where it is called last. Modules that are not
            called come last.
    """
    layers = {name: module for name, module in model.named_modules() if own_weights(module)}
    called: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: called.append(name))  # type: ignore[misc]
        for name, module in layers.items()
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    last = {name: i for i, name in enumerate(called)}
    return sorted(layers, key=lambda name: -last.get(name, -1))


def own_weights(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that belong to a module itself and not to one inside it."""
    return list(module.parameters(recurse=False))


def stages(layers: Sequence[str], number: int) -> list[list[str]]:
    """The layers in order, in at most `number` groups of nearly equal size."""
    parts = np.array_split(np.arange(len(layers)), min(number, len(layers)))
    return [[layers[i] for i in part] for part in parts]


def randomised(model: Model, groups: Sequence[Sequence[str]], cascading: bool, seed: int) -> Iterator[Model]:
    """Copies of the model with the weights of one group after the other shuffled; the model itself stays as it is.

    Shuffled within each tensor, weights keep their scale: activations neither vanish nor explode, which alone would
    change a map.

    Args:
        model: any.
        groups: names of modules.
        cascading: each copy has the weights of all groups before shuffled too; otherwise of that group alone.
        seed: a tensor is shuffled in the same way in every copy.
    """
    for last in range(len(groups)):
        changed = copy.deepcopy(model)
        for name in (name for group in groups[0 if cascading else last : last + 1] for name in group):
            for i, weight in enumerate(own_weights(changed.get_submodule(name))):
                _shuffle(weight, f"{seed}/{name}/{i}")
        yield changed


@torch.no_grad()
def _shuffle(weight: nn.Parameter, key: str) -> None:
    order = np.random.default_rng(list(key.encode())).permutation(weight.numel())
    weight.copy_(weight.flatten()[torch.from_numpy(order).to(weight.device)].view_as(weight))
