"""Captions that another system wrote, in the place of a captioner and of its data."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.object_words import ObjectWords


class Predicted(pl.LightningModule):
    """Gives the captions of a file; its step returns `{"captions": {image id: caption}}`, as a captioner's does.

    Args:
        captions: image id → caption.
    """

    def __init__(self, captions: Mapping[Any, str]):
        super().__init__()
        self.captions = dict(captions)

    def test_step(self, batch: Sequence[Any], batch_idx: int) -> dict[str, Any]:
        return {"captions": {image_id: self.captions[image_id] for image_id in batch}}


class PredictedData(pl.LightningDataModule):
    """The images whose captions are scored, known by their ids alone.

    Args:
        ids: of the images.
        references: image id → what people wrote.
        object_words: what counts as an object for measures of hallucination.
        evaluated: name of the split.
    """

    def __init__(
        self,
        ids: Sequence[Any],
        references: Mapping[Any, Sequence[str]],
        object_words: ObjectWords | None,
        evaluated: str,
    ):
        super().__init__()
        self.ids, self.object_words, self.evaluated = list(ids), object_words, evaluated
        self._references = {image_id: list(captions) for image_id, captions in references.items()}

    def references(self, split: str) -> dict[Any, list[str]]:
        """Image id → its reference captions."""
        return self._references

    def images(self, split: str) -> list[CaptionedImage]:
        """No photos: of these captions nothing else is known."""
        return []

    def test_dataloader(self) -> DataLoader[Any]:
        ids: Any = self.ids  # a list is a data set to torch, though not to its types
        return DataLoader(ids, batch_size=1000, collate_fn=list)
