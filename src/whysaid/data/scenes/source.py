"""The Scenes world as a data set of captions or of questions, drawn when it is first read."""

from pathlib import Path

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.coco import Coco2017
from whysaid.data.questions.vqa import VQA, AskedImage
from whysaid.data.scenes.write import build_scenes


class Scenes(Coco2017):
    """Scenes in COCO 2017 layout, with splits of their own: train and val biased, test not.

    Args:
        root: folder, drawn on first use.
        seed, size, counts: as `build_scenes` takes them.
    """

    def __init__(self, root: str, seed: int = 0, size: int = 80, counts: dict[str, int] | None = None):
        super().__init__(root, train=None, val=None)
        self.seed, self.size, self.counts = seed, size, counts

    def read(self, split: str) -> list[CaptionedImage]:
        build_scenes(Path(self.root), self.seed, self.size, None if self.counts is None else dict(self.counts))
        return super().read(split)


class ScenesQuestions(VQA):
    """Questions about scenes in VQA v2's layout, with the splits of `Scenes`.

    Args:
        root: folder, drawn on first use.
        seed, size, counts: as `build_scenes` takes them.
    """

    def __init__(self, root: str, seed: int = 0, size: int = 80, counts: dict[str, int] | None = None):
        folders = {split: f"{split}2017" for split in ("train", "val", "test")}
        super().__init__(root, "vqa", folders, "{id:012d}.png", version=2)
        self.world, self.counts = {"seed": seed, "size": size}, counts

    def read(self, split: str) -> list[AskedImage]:
        build_scenes(self.root, counts=None if self.counts is None else dict(self.counts), **self.world)
        return super().read(split)
