"""From a scene to its picture, with or without any one object, and to the objects' masks."""

import numpy as np
from numpy.typing import NDArray

from whysaid.data.scenes.backgrounds import background
from whysaid.data.scenes.scene import Scene, SceneObject
from whysaid.data.scenes.sprites import sprite


def render(scene: Scene, without: int | None = None) -> NDArray[np.uint8]:
    """The picture of a scene.

    Args:
        scene: S = `scene.size`.
        without: index in `scene.objects` of an object to leave out; every other pixel stays as it was.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    canvas = background(scene.background, scene.key, scene.size)
    for index, thing in enumerate(scene.objects):
        if index != without:
            pixels, silhouette = _posed(thing)
            square = canvas[thing.top : thing.top + thing.side, thing.left : thing.left + thing.side]
            square[silhouette] = np.minimum(pixels[silhouette] * thing.shade, 255)
    return canvas.astype(np.uint8)


def masks(scene: Scene) -> NDArray[np.bool_]:
    """(N, S, S): the pixels at which each of the N objects is seen; no pixel belongs to two."""
    visible = silhouettes(scene)
    covered = np.zeros(visible.shape[1:], bool)
    for index in reversed(range(len(visible))):
        hidden = covered.copy()
        covered |= visible[index]
        visible[index] &= ~hidden
    return visible


def silhouettes(scene: Scene) -> NDArray[np.bool_]:
    """(N, S, S): the pixels that each of the N objects takes, seen or hidden."""
    whole = np.zeros((len(scene.objects), scene.size, scene.size), bool)
    for mask, thing in zip(whole, scene.objects, strict=True):
        mask[thing.top : thing.top + thing.side, thing.left : thing.left + thing.side] = _posed(thing)[1]
    return whole


def _posed(thing: SceneObject) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    pixels, silhouette = sprite(thing.name, thing.colour, thing.side)
    return (pixels[:, ::-1], silhouette[:, ::-1]) if thing.flip else (pixels, silhouette)
