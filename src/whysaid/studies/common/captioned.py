"""What studies of captions start from: images, what the captioner writes of them, and where it names objects.

B images, S words.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.object_words import ObjectWords
from whysaid.data.sampler import Key
from whysaid.data.vocabulary import Word
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.tasks.writer import Writer

log = logging.getLogger(__name__)


@dataclass
class CaptionedBatch:
    """A batch of images and the captions that the model wrote, on the model's device.

    batch: B images. features: of them. tokens: (B, S) int64, as decoders return them, without `<start>`, `<pad>` after
    `<end>`. captions: B lists of words, word t of which is token t, or made of several tokens as `located` says.
    references: B tuples of captions. located: B lists of the same words with the places of their tokens; None where
    word t is token t.
    """

    batch: CaptionBatch
    features: Any
    tokens: Tensor
    captions: list[list[str]]
    references: list[tuple[str, ...]]
    located: list[list[Word]] | None = None

    def place(self, row: int, word: int) -> int:
        """The place of a word's first token, whose logit is the word's, among the tokens of its caption."""
        return word if self.located is None else self.located[row][word].first

    def summed(self, row: int, values: Sequence[float]) -> list[float]:
        """Sums values of the tokens of a caption over the tokens of each word."""
        if self.located is None:
            return list(values[: len(self.captions[row])])
        return [sum(values[word.first : word.last + 1]) for word in self.located[row]]

    @property
    def ids(self) -> list[int]:
        """The B image ids."""
        ids: list[int] = self.batch.image_ids.tolist()
        return ids


@dataclass(frozen=True)
class ObjectMention:
    """A word that names an object: row of the batch, place of its first token, and whether a reference mentions the
    object too. Of several words for one object (`hot dog`) it is the last. `index` is its number among the caption's
    words; None where that is the place too."""

    row: int
    place: int
    word: str
    category: str
    supported: bool
    index: int | None = None


def require_pixels(data: CaptionData, captioner: Captioner) -> None:
    """Raises UserError where the captioner gets no images, or no grid places its regions."""
    if data.features is not None or captioner.encoder.grid is None:
        raise UserError(
            "this study explains pixels, and the captioner is given stored features: set data.cache_features=false, "
            "or choose a captioner whose encoder sees images"
        )


def object_words(data: CaptionData) -> ObjectWords:
    """The table of object words of a data set; UserError where it has none."""
    if data.object_words is None:
        raise UserError(f"{data.name} has no table of object words: set data.object_words")
    return data.object_words


def caption_split(
    task: Writer,
    data: CaptionData,
    images: int | None,
    seed: int,
    batch_size: int,
    among: Collection[int] | None = None,
) -> Iterator[CaptionedBatch]:
    """Yields captions of images of the split `data.evaluated`, batch by batch, under a progress bar.

    Args:
        task: captioner and decoding.
        data: with its preprocessing, or cached features.
        images: so many at most, drawn by `seed`, in the split's own order; None takes all.
        seed: of the draw.
        batch_size: images.
        among: ids of the images that may be drawn; None allows all.
    """
    split = data.images(data.evaluated)
    chosen = drawn([i for i, image in enumerate(split) if among is None or image.id in among], images, seed)
    dataset, by_id = data.dataset(data.evaluated), {image.id: image for image in split}
    known: set[int] = set()
    log.info("explaining %d images", len(chosen), extra={"progress": True})
    with tqdm(total=len(chosen), desc="explaining", unit="image", disable=None) as progress:
        for start in range(0, len(chosen), batch_size):
            batch = dataset[[Key(0, i) for i in chosen[start : start + batch_size]]]
            data.on_before_batch_transfer(batch, 0)
            batch = _without_repeats(batch, known)
            if len(batch):
                yield _captioned(task, batch.to(task.device), by_id)
            progress.update(min(batch_size, len(chosen) - start))
    log.info("explained %d images", len(chosen), extra={"progress": True})


def drawn(indices: Sequence[int], number: int | None, seed: int) -> list[int]:
    """At most `number` of the indices, drawn by seed, in their own order."""
    if number is None or number >= len(indices):
        return list(indices)
    places = np.random.default_rng(seed).permutation(len(indices))[:number]
    return [indices[i] for i in sorted(places)]


def named_objects(captioned: CaptionedBatch, table: ObjectWords) -> list[ObjectMention]:
    """The words of the captions that name objects, in order."""
    mentions = []
    for row, (words, references) in enumerate(zip(captioned.captions, captioned.references, strict=True)):
        present = {category for reference in references for category in table.mentioned(reference)}
        for located in table.located(" ".join(words)):
            word = words[located.last]
            place, supported = captioned.place(row, located.last), located.category in present
            index = None if captioned.located is None else located.last
            mentions.append(ObjectMention(row, place, word, located.category, supported, index))
    return mentions


def _without_repeats(batch: CaptionBatch, known: set[int]) -> CaptionBatch:
    """The batch without images that came before: a neighbour stands in for an image that cannot be read."""
    rows = []
    for row, image_id in enumerate(batch.image_ids.tolist()):
        if image_id not in known:
            known.add(image_id)
            rows.append(row)
    return batch if len(rows) == len(batch) else batch.rows(rows)


def _captioned(task: Writer, batch: CaptionBatch, by_id: dict[int, CaptionedImage]) -> CaptionedBatch:
    with torch.no_grad():
        decoded, features = task.describe(batch)
    tokens = decoded.tokens[:, 0]
    located = [task.vocabulary.located(row) for row in tokens.tolist()]
    captions = [[word.text for word in words] for words in located]
    references = [by_id[i].captions for i in batch.image_ids.tolist()]
    whole = all(word.first == word.last == t for words in located for t, word in enumerate(words))
    return CaptionedBatch(batch, features, tokens, captions, references, None if whole else located)
