"""Which words a study looks at, and how many images at once.

B images, S words, T places, M words looked at, C channels, H, W pixels.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeVar

from torch import Tensor

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.studies.common.captioned import CaptionedBatch, ObjectMention, caption_split
from whysaid.tasks.writer import Writer

Measured = TypeVar("Measured")


@dataclass
class Group:
    """A few images that are explained at once.

    batch: B images, as pixels. tokens: (B, S). captions: B lists of words. mentions: the M words looked at, `row`
    counted within the batch.
    """

    batch: CaptionBatch
    tokens: Tensor
    captions: list[list[str]]
    mentions: list[ObjectMention]

    @property
    def images(self) -> Tensor:
        """(B, C, H, W)."""
        assert self.batch.images is not None
        return self.batch.images

    @property
    def places(self) -> list[int]:
        """The T places at which any of the words stands."""
        return sorted({mention.place for mention in self.mentions})

    def ids(self) -> list[int]:
        """Image id of each of the M words."""
        ids = self.batch.image_ids.tolist()
        return [ids[mention.row] for mention in self.mentions]

    def with_images(self, images: Tensor) -> "Group":
        """The same words said of other pixels."""
        return replace(self, batch=replace(self.batch, images=images))


def groups(captioned: CaptionedBatch, mentions: Sequence[ObjectMention], at_once: int) -> Iterator[Group]:
    """Yields the images that have one of the words, `at_once` at a time: their words at any of the group's places are
    explained together, so more images share passes but more words are explained in vain."""
    rows = sorted({mention.row for mention in mentions})
    for start in range(0, len(rows), at_once):
        chosen = rows[start : start + at_once]
        place = {row: i for i, row in enumerate(chosen)}
        inside = [replace(mention, row=place[mention.row]) for mention in mentions if mention.row in place]
        captions = [captioned.captions[row] for row in chosen]
        yield Group(captioned.batch.rows(chosen), captioned.tokens[chosen], captions, inside)


@dataclass(frozen=True)
class WordSample:
    """The words of captions that a study looks at.

    Attributes:
        images: so many at most of the split, drawn by `seed`; None takes all.
        words: so many at most, the first of those images; None takes all.
        batch_size: images captioned at once.
        at_once: images explained at once.
        seed: of the draw, and of whatever else the study draws.
    """

    images: int | None = None
    words: int | None = None
    batch_size: int = 20
    at_once: int = 1
    seed: int = 0

    def batches(
        self, task: Writer, data: CaptionData, among: Collection[int] | None = None
    ) -> Iterator[CaptionedBatch]:
        """Yields captions of the drawn images; see `caption_split`."""
        return caption_split(task, data, self.images, self.seed, self.batch_size, among)

    def groups(
        self,
        task: Writer,
        data: CaptionData,
        choose: Callable[[CaptionedBatch], Sequence[ObjectMention]],
        among: Collection[int] | None = None,
    ) -> Iterator[Group]:
        """Yields the words that `choose` takes from each batch, with their images, `at_once` images at a time."""
        for captioned in self.batches(task, data, among):
            yield from groups(captioned, choose(captioned), self.at_once)

    def first(self, measured: Iterable[Iterable[Measured]]) -> list[Measured]:
        """The measurements of the first `words` words; what comes after them is not measured."""
        return list(islice(chain.from_iterable(measured), self.words))
