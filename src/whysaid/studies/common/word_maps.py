"""Heat maps of the words that a study looks at.

B images, T places, M words looked at, H, W pixels.
"""

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from whysaid.attribution.method import Explanation, Method
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_fitting
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable
from whysaid.studies.common.word_sample import Group

log = logging.getLogger(__name__)

RANDOM = "random"
"""The baseline that stands beside the methods."""


def chosen_methods(methods: Mapping[str, Method | None]) -> dict[str, Method]:
    """The methods but those that a command line set to null; UserError where none is left."""
    chosen = {name: method for name, method in methods.items() if method is not None}
    if not chosen:
        raise UserError("there is no method to study: add one with +attribution@study.methods.lrp=lrp")
    return chosen


def require_known(names: Sequence[str], methods: Mapping[str, Method]) -> set[str]:
    """The names that are among the methods; UserError where none of them is."""
    known = set(names) & set(methods)
    if names and not known:
        raise UserError(
            f"study.by_magnitude={list(names)}: none of these is among study.methods ({', '.join(methods)})"
        )
    return known


def require_reference(against: str, names: Sequence[str]) -> str:
    """The method that all others are tested against; UserError where it is none of the names and not `RANDOM`."""
    if against not in (*names, RANDOM):
        raise UserError(f"study.against={against} is not among study.methods: {', '.join(names)} or {RANDOM}")
    return against


def leave_out_silent(methods: dict[str, Method], explanations: Mapping[str, Explanation]) -> None:
    """Takes out methods that say nothing of the words that were read, with a line of the log: attention, and gradients
    of captioners that normalise each embedded word. Their order would be that of the sentence.

    Raises UserError: no other method is left.
    """
    silent = [name for name in methods if not explanations[name].words.any()]
    if len(silent) == len(methods):
        raise UserError(
            f"{', '.join(silent)} say nothing of the words that this captioner reads: take a method that does, "
            "+attribution@study.methods.lrp=lrp"
        )
    for name in silent:
        del methods[name]
    if silent:
        log.warning("left out, since they say nothing of the words that this captioner reads: %s", ", ".join(silent))


def pixel_maps(name: str, explanation: Explanation) -> Tensor:
    """The maps of the pixels (B, T, C, H, W) of the method `name`, detached; UserError where it has none."""
    if explanation.pixels is None:
        raise UserError(f"{name} has no map of the pixels: leave it out with study.methods.{name}=null")
    return explanation.pixels.detach()


class WordMaps:
    """Several methods on the words of a group.

    Args:
        methods: name → method, or None to leave it out.
        by_magnitude: names of the methods of which |values| are taken: those whose sign says which way a pixel should
            change rather than whether it spoke for the word.
        reference: name of the method that others are compared with; None: there is none.

    Raises UserError: no method is left, or `by_magnitude` names none of them.
    """

    def __init__(
        self,
        methods: Mapping[str, Method | None],
        by_magnitude: Sequence[str] = (),
        reference: str | None = None,
    ):
        self.methods, self.reference = chosen_methods(methods), reference
        self._by_magnitude = require_known(by_magnitude, self.methods)

    @property
    def names(self) -> list[str]:
        """The methods; once a group is explained, without those that cannot explain its model."""
        return list(self.methods)

    @property
    def by_magnitude(self) -> list[str]:
        """Those of which |values| are taken, in alphabetical order."""
        return sorted(self._by_magnitude & set(self.methods))

    def __call__(self, model: Explainable, group: Group) -> dict[str, Tensor]:
        """Method → (M, H, W) on the CPU: what each pixel spoke for (> 0) or against (< 0) each word, channels added.

        Methods that cannot explain such a model are left out with a line of the log.

        Raises UserError: a method has no map of the pixels, or none can explain the model, or the reference cannot.
        """
        places, required = group.places, [] if self.reference is None else [self.reference]
        explanations = attribute_fitting(self.methods, model, group.batch, Targets(group.tokens, places), required)
        rows = torch.tensor([mention.row for mention in group.mentions])
        at = torch.tensor([places.index(mention.place) for mention in group.mentions])
        return {name: self._heat(name, explanation)[rows, at] for name, explanation in explanations.items()}

    def _heat(self, name: str, explanation: Explanation) -> Tensor:
        """(B, T, H, W)."""
        pixels = pixel_maps(name, explanation)
        return (pixels.abs() if name in self.by_magnitude else pixels).sum(2).float().cpu()
