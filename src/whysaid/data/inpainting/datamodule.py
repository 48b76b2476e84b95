"""Pictures with holes for Lightning: Scenes, COCO's photos, CelebA's faces, or any folder."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table
from torch.utils.data import DataLoader, Dataset

from whysaid.data.framing import Framing
from whysaid.data.images import Photo
from whysaid.data.inpainting.holes import InpaintingBatch, InpaintingDataset
from whysaid.data.inpainting.masks import Shape
from whysaid.data.splits import SPLITS, Source, Splits

Removed = Callable[[Sequence[Photo], Any], Dataset[InpaintingBatch]]


class InpaintingData(Splits[Photo]):
    """The three splits of a data set, each picture with a hole.

    Args:
        name: of the data set.
        root: folder of its files, which `source` reads.
        source: reads the splits.
        framing: what of a photo is shown, and how large.
        masks: draws the holes.
        removed: makes, of a split's photos and the source, the pictures of which an object is taken out, a second test
            set; None where nobody knows what is behind an object.
        settings: those of `Splits`.
    """

    def __init__(
        self,
        name: str,
        root: str,
        source: Source[Photo],
        framing: Framing,
        masks: Shape,
        removed: Removed | None = None,
        **settings: Any,
    ):
        super().__init__(source, root, **settings)
        self.name, self.framing, self.masks, self.removed = name, framing, masks, removed

    def summary(self) -> Table:
        """Makes a table: split → images."""
        table = Table("split", "images", caption=self.name)
        for split in SPLITS:
            table.add_row(split, f"{len(self.images(split)):,}")
        return table

    def dataset(self, split: str) -> InpaintingDataset:
        photos = self.images(split)
        self.masks.prefetch()
        return InpaintingDataset(photos, self.framing, self.masks, training=split == "train", seed=self.seed)

    def test_dataloader(self) -> list[DataLoader[Any]]:  # type: ignore[override]
        """Loaders of random holes, then of removed objects where there are such."""
        loaders = [self.loader(self.evaluated)]
        if self.removed is not None:
            loaders.append(self.batches(self.removed(self.images(self.evaluated), self.source), training=False))
        return loaders
