"""Splits that a model sees as pixels, or as the cached features of its frozen encoder."""

import hashlib
import json
from collections.abc import Callable, Collection
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self

from whysaid.data.dataset import PlainDataset
from whysaid.data.features.pictures import PictureFeatures
from whysaid.data.files.whole import write_whole
from whysaid.data.images import Preprocessing
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.splits import SPLITS, Image, Source, Splits
from whysaid.data.vocabulary import Vocabulary


@dataclass(frozen=True)
class ModelInputs:
    """What a model brings to its data.

    preprocessing: photo to tensor. features: those of its encoder, in place of pixels; None for pixels.
    vocabulary, answers: those of its checkpoint; None takes the training split's.
    """

    preprocessing: Preprocessing
    features: PictureFeatures | None = None
    vocabulary: Vocabulary | None = None
    answers: AnswerVocabulary | None = None


class Featured(Splits[Image]):
    """Base of captions and questions. Subclasses say what `vocabulary` and `dataset` are.

    As a configuration describes it, it can be asked for images, vocabularies and tables; `for_model` makes the one that
    gives batches.

    Args:
        name: of the data set; names the folder of what is derived from it.
        root: folder of its files, which `source` reads.
        source: reads the splits.
        cache_dir: folder for all that is derived: vocabulary, document frequencies, cached features. One that cannot
            be written costs time, and no result.
        cache_features: train and evaluate on stored encoder features (a frozen encoder) rather than on pixels.
        settings: those of `Splits`.
    """

    def __init__(
        self, name: str, root: str, source: Source[Image], cache_dir: str, cache_features: bool = False, **settings: Any
    ):
        super().__init__(source, root, **settings)
        self.name, self.cache_dir, self.cache_features = name, Path(cache_dir), cache_features
        self._inputs: ModelInputs | None = None

    takes_features = True

    @property
    def vocabulary(self) -> Vocabulary:
        """The training split's vocabulary, or the checkpoint's where the model's inputs bring one."""
        raise NotImplementedError

    @property
    def inputs(self) -> ModelInputs:
        """What the model brings; TypeError for data that `for_model` has not made."""
        if self._inputs is None:
            raise TypeError(f"{self.name} gives batches to a model only: make them by for_model()")
        return self._inputs

    @property
    def features(self) -> PictureFeatures | None:
        """The cached features that the model sees; None where it sees pixels."""
        return self.inputs.features

    def for_model(self, inputs: ModelInputs, unreadable: Collection[Path] = ()) -> Self:
        """Returns the same data as a model sees them.

        Args:
            inputs: what the model brings.
            unreadable: files of images that are left out, for they could not be read when features were cached;
                UserError where they are more than `max_broken` allows.
        """
        made = copy(self)
        made._inputs, made._broken = inputs, set(self._broken)
        if unreadable:
            made._splits = {split: self.images(split) for split in SPLITS}
            made._note_broken([str(path) for path in unreadable])
            for split, images in made._splits.items():
                made._splits[split] = [image for image in images if image.path not in unreadable]
        return made

    def pictures(self, split: str) -> PlainDataset:
        """The pictures of a split as the model sees them, and nothing that is said of them."""
        return PlainDataset(self.images(split), self.inputs.preprocessing, self.features)

    def note_splits(self) -> None:
        """Writes `splits-DIGEST.json` into the cache folder: the data set's root, and split → image ids.

        The digest is that of its contents: other splits, or a data set of the same name elsewhere, have another file.
        """
        ids = {split: [image.id for image in self.images(split)] for split in SPLITS}
        text = json.dumps({"root": str(self.root.absolute()), **ids}) + "\n"
        digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        write_whole(self.cache_dir / f"splits-{digest}.json", text)

    @property
    def workers(self) -> int:
        """Number of processes that a loader starts; cached features need none."""
        return 0 if self.features is not None else self.num_workers


class ChangedSource(Generic[Image]):
    """Images as another source reads them, each of them changed.

    Args:
        source: reads the images.
        change: from an image to the one in its place.
    """

    def __init__(self, source: Source[Image], change: Callable[[Image], Image]):
        self.source, self.change = source, change

    def read(self, split: str) -> list[Image]:
        """Reads the images of `train`, `val` or `test`."""
        return [self.change(image) for image in self.source.read(split)]
