"""What a scene is, before it is drawn."""

from dataclasses import dataclass

SPLITS = ("train", "val", "test")

IDS_PER_SPLIT = 1_000_000
"""Image ids of a split start at its place in `SPLITS` times this, plus 1."""


@dataclass(frozen=True)
class SceneObject:
    """One object.

    name, colour, size: of `CLASSES`, `COLOURS`, `SIZES`.
    left, top, side: its square, in pixels.
    shade: factor on its pixels, distinct within a scene.
    flip: mirrored.
    """

    name: str
    colour: str
    size: str
    left: int
    top: int
    side: int
    shade: float
    flip: bool

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return self.left + self.side / 2, self.top + self.side / 2


@dataclass(frozen=True)
class Scene:
    """Objects from back to front, no class twice, before a ground; `size` is the side of the picture in pixels."""

    seed: int
    split: str
    index: int
    size: int
    background: str
    objects: tuple[SceneObject, ...]

    @property
    def image_id(self) -> int:
        """Id of its picture, unique over the splits, the same whatever their lengths."""
        return SPLITS.index(self.split) * IDS_PER_SPLIT + self.index + 1

    @property
    def key(self) -> str:
        """Names this scene for the random draws that belong to it."""
        return f"{self.seed}/{self.split}/{self.index}"


def locate(image_id: int) -> tuple[str, int]:
    """The (split, index) of an image id."""
    split, index = divmod(image_id - 1, IDS_PER_SPLIT)
    return SPLITS[split], index
