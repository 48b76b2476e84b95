"""What a data loader yields.

B batch, K captions or questions per image, T tokens, S words, P people, C choices, R regions, D encoder features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor


def rows_of_both(first: Tensor, second: Tensor) -> Tensor:
    """Puts the rows of two tensors behind one another, in the wider of their types.

    Autocast has no part in it: on a CPU it refuses to join stored features, which have half precision.
    """
    with torch.autocast(first.device.type, enabled=False):
        return torch.cat([first, second])


class Pictured(Protocol):
    """Any batch of pictures: pixels (B, 3, H, W), or encoder features (B, R, D) and mask (B, R) in their place."""

    images: Tensor | None
    regions: Tensor | None
    mask: Tensor | None


@dataclass
class Pictures:
    """Pictures and nothing that is said of them; each field as of captioned images."""

    images: Tensor | None = None
    regions: Tensor | None = None
    mask: Tensor | None = None
    broken: list[str] = field(default_factory=list)

    def to(self, device: torch.device | str) -> "Pictures":
        """The same pictures on a device; `broken` names no file."""
        images, regions, mask = (None if part is None else part.to(device) for part in self._parts)
        return Pictures(images, regions, mask)

    def joined(self, others: "Pictures") -> "Pictures":
        """These pictures and others of the same kind behind them; `broken` names no file."""
        images, regions, mask = (
            None if first is None or second is None else rows_of_both(first, second)
            for first, second in zip(self._parts, others._parts, strict=True)
        )
        return Pictures(images, regions, mask)

    @property
    def _parts(self) -> tuple[Tensor | None, ...]:
        return self.images, self.regions, self.mask


@dataclass
class ChangedPictures:
    """M pictures of a batch, each without all objects of a category, or with a fill where no object was.

    pictures: as they now look.
    rows: (M,) int64, which picture of the batch each of them was.
    categories: (M,) int64, what was taken out, as a place in the table of object words; −1 where nothing was.
    places: (M, K) int64, the first word of each caption of that picture that names what was taken out, counted without
        `<start>`; −1 where there is none.
    """

    pictures: Pictures
    rows: Tensor
    categories: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str) -> "ChangedPictures":
        """The same pictures on a device."""
        rest = (part.to(device) for part in (self.rows, self.categories, self.places))
        return ChangedPictures(self.pictures.to(device), *rest)


@dataclass
class CaptionBatch:
    """Images (as pixels or as cached encoder features) and their reference captions.

    image_ids: (B,) int64.
    captions: (B, K, T) int64, `<start> w1 … wn <end> <pad>…`; captions beyond an image's own count are all `<pad>`.
    images: (B, 3, H, W) normalised pixels, or None where `regions` stands in for them.
    regions: (B, R, D) encoder features, or None.
    mask: (B, R) bool, True where a region is real; None when all are.
    broken: names of image files that could not be read and were replaced by their neighbours.
    changed: some of the images without an object, where training asks for such; None where there are none.
    """

    image_ids: Tensor
    captions: Tensor
    images: Tensor | None = None
    regions: Tensor | None = None
    mask: Tensor | None = None
    broken: list[str] = field(default_factory=list)
    changed: ChangedPictures | None = None

    def __len__(self) -> int:
        return len(self.image_ids)

    def rows(self, rows: Sequence[int]) -> "CaptionBatch":
        """The images at the given places of the batch, in the given order, none changed; `broken` names no file."""
        return self._mapped(lambda tensor: tensor[list(rows)])

    def to(self, device: torch.device | str) -> "CaptionBatch":
        """The same batch on a device; `broken` names no file."""
        changed = None if self.changed is None else self.changed.to(device)
        return replace(self._mapped(lambda tensor: tensor.to(device)), changed=changed)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> "CaptionBatch":
        images, regions, mask = (
            None if part is None else change(part) for part in (self.images, self.regions, self.mask)
        )
        return CaptionBatch(change(self.image_ids), change(self.captions), images, regions, mask)


@dataclass
class QuestionBatch:
    """Images (as pixels or as cached encoder features), each with up to K questions.

    image_ids: (B,) int64.
    question_ids: (B, K) int64, −1 where an image has fewer questions.
    questions: (B, K, S) int64, the words, then `<pad>`; all `<pad>` where there is no question.
    answers: (B, K, P) int64, the answer of each person asked; −1 for one outside of the answer vocabulary, or for none.
    choices: (B, K, C) int64, the answers of a multiple choice, in its order; −1 as above. None without such.
    images, regions, mask, broken: as of captioned images.
    """

    image_ids: Tensor
    question_ids: Tensor
    questions: Tensor
    answers: Tensor
    choices: Tensor | None = None
    images: Tensor | None = None
    regions: Tensor | None = None
    mask: Tensor | None = None
    broken: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.image_ids)
