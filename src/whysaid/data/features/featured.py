"""Splits that a model sees as pixels, or as the cached features of its frozen encoder."""

import json
from pathlib import Path
from typing import Any

from whysaid.data.features.store import FeatureStore
from whysaid.data.files.whole import write_whole
from whysaid.data.images import Preprocessing
from whysaid.data.splits import SPLITS, Image, Source, Splits
from whysaid.data.vocabulary import Vocabulary


class Featured(Splits[Image]):
    """What captions and questions have in common. Subclasses say what `vocabulary` and `dataset` are.

    Args:
        name: of the data set; names the folder of what is derived from it.
        root: folder of its files, which `source` reads.
        source: reads the splits.
        cache_dir: folder for what is derived: vocabulary, document frequencies, cached features.
        cache_features: train and evaluate on stored encoder features (a frozen encoder) rather than on pixels.
        settings: those of `Splits`.
    """

    def __init__(
        self, name: str, root: str, source: Source[Image], cache_dir: str, cache_features: bool = False, **settings: Any
    ):
        super().__init__(source, **settings)
        self.name, self.root, self.cache_dir, self.cache_features = name, Path(root), Path(cache_dir), cache_features
        self.preprocessing: Preprocessing | None = None
        self.features: FeatureStore | None = None
        self._vocabulary: Vocabulary | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """The training split's vocabulary, or the checkpoint's where one was given to `use`."""
        raise NotImplementedError

    def use(
        self, preprocessing: Preprocessing, features: FeatureStore | None = None, vocabulary: Vocabulary | None = None
    ) -> None:
        """What the model brings: how pixels are prepared, cached features in their place, a checkpoint's vocabulary."""
        self.preprocessing, self.features, self._vocabulary = preprocessing, features, vocabulary

    takes_features = True

    def note_splits(self) -> None:
        """Writes `splits.json` into the data set's cache folder: split → image ids."""
        ids = {split: [image.id for image in self.images(split)] for split in SPLITS}
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        write_whole(self.cache_dir / "splits.json", json.dumps(ids) + "\n")

    def drop(self, broken: dict[int, str]) -> None:
        """Leave out the unreadable images found while features were cached (image id → file name)."""
        splits = {split: self.images(split) for split in SPLITS}
        self._note_broken(list(broken.values()))
        for split, images in splits.items():
            self._splits[split] = [image for image in images if image.id not in broken]

    @property
    def workers(self) -> int:
        """Cached features need none."""
        return 0 if self.features is not None else self.num_workers
