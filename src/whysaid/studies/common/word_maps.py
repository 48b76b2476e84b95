"""Heat maps of the words that a study looks at.

B images, S words, T places, M words looked at, C channels, H, W pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from whysaid.attribution.method import Explanation, Method
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import CaptionBatch
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable
from whysaid.studies.common.captioned import CaptionedBatch, ObjectMention


@dataclass
class Group:
    """A few images that are explained at once.

    batch: B images, as pixels. tokens: (B, S). named: the M words looked at, `row` counted within the batch.
    """

    batch: CaptionBatch
    tokens: Tensor
    named: list[ObjectMention]

    @property
    def images(self) -> Tensor:
        """(B, C, H, W)."""
        assert self.batch.images is not None
        return self.batch.images

    @property
    def places(self) -> list[int]:
        """The T places at which any of the words stands."""
        return sorted({name.place for name in self.named})

    def ids(self) -> list[int]:
        """Image id of each of the M words."""
        ids = self.batch.image_ids.tolist()
        return [ids[name.row] for name in self.named]

    def with_images(self, images: Tensor) -> "Group":
        """The same words said of other pixels."""
        return replace(self, batch=replace(self.batch, images=images))


def groups(written: CaptionedBatch, named: Sequence[ObjectMention], at_once: int) -> Iterator[Group]:
    """The images that have one of the words, `at_once` at a time: their words at any of the group's places are
    explained together, so more images share passes but more words are explained in vain."""
    rows = sorted({name.row for name in named})
    for start in range(0, len(rows), at_once):
        chosen = {row: i for i, row in enumerate(rows[start : start + at_once])}
        inside = [replace(name, row=chosen[name.row]) for name in named if name.row in chosen]
        yield Group(written.batch.rows(list(chosen)), written.tokens[list(chosen)], inside)


def chosen_methods(methods: Mapping[str, Method | None]) -> dict[str, Method]:
    """The methods but those that a command line set to null; UserError where none is left."""
    found = {name: method for name, method in methods.items() if method is not None}
    if not found:
        raise UserError("there is no method to study: add one with +attribution@study.methods.lrp=lrp")
    return found


def require_known(names: Sequence[str], methods: Mapping[str, Method]) -> set[str]:
    """The names that are among the methods; UserError where none of them is."""
    known = set(names) & set(methods)
    if names and not known:
        raise UserError(
            f"study.by_magnitude={list(names)}: none of these is among study.methods ({', '.join(methods)})"
        )
    return known


class WordMaps:
    """Several methods on the words of a group.

    Args:
        methods: name → method, or None to leave it out.
        by_magnitude: names of the methods of which |values| are taken: those whose sign says which way a pixel should
            change rather than whether it spoke for the word.

    Raises UserError: no method is left, or `by_magnitude` names none of them.
    """

    def __init__(self, methods: Mapping[str, Method | None], by_magnitude: Sequence[str] = ()):
        self.methods = chosen_methods(methods)
        self.by_magnitude = require_known(by_magnitude, self.methods)
        self.names = list(self.methods)

    def __call__(self, model: Explainable, group: Group) -> dict[str, Tensor]:
        """Method → (M, H, W) on the CPU: what each pixel spoke for (> 0) or against (< 0) each word, channels added.

        Raises UserError: a method has no map of the pixels.
        """
        places = group.places
        explanations = attribute_all(self.methods, model, group.batch, Targets(group.tokens, places))
        rows = torch.tensor([name.row for name in group.named])
        at = torch.tensor([places.index(name.place) for name in group.named])
        return {name: self._heat(name, found)[rows, at] for name, found in explanations.items()}

    def _heat(self, name: str, explanation: Explanation) -> Tensor:
        """(B, T, H, W)."""
        if explanation.pixels is None:
            raise UserError(f"{name} has no map of the pixels: leave it out with study.methods.{name}=null")
        pixels = explanation.pixels.detach()
        return (pixels.abs() if name in self.by_magnitude else pixels).sum(2).float().cpu()
