"""How two objects of a scene stand to each other, as far as everyone would agree."""

from math import dist

import numpy as np

from whysaid.data.scenes.render import silhouettes
from whysaid.data.scenes.scene import Scene

RELATIONS = ("left of", "right of", "above", "below", "in front of", "behind")

CLEAR = 1.4
"""How many times one offset must exceed the other before a direction is called by name."""
APART = 0.16
"""Least offset of two centres for a direction, as a share of the scene's side."""
NEAR = 0.55
"""Greatest distance of the centres of two objects that are called near, as a share of the scene's side."""
COVERED = 0.08
"""Least share of the rear silhouette that the front one hides before the two are called so."""


def direction(scene: Scene, a: int, b: int) -> str | None:
    """Says where object `a` is, seen from `b`: `left of`, `right of`, `above`, `below`, None if unclear."""
    (ax, ay), (bx, by) = scene.objects[a].centre, scene.objects[b].centre
    across, down = ax - bx, ay - by
    if max(abs(across), abs(down)) < APART * scene.size:
        return None
    if abs(across) > CLEAR * abs(down):
        return "left of" if across < 0 else "right of"
    if abs(down) > CLEAR * abs(across):
        return "above" if down < 0 else "below"
    return None


def depth(scene: Scene, a: int, b: int) -> str | None:
    """Says `in front of` or `behind`, where object `a` hides a good part of `b` or the other way round; else None."""
    front, rear = max(a, b), min(a, b)
    whole = silhouettes(scene)
    hidden = np.count_nonzero(whole[front] & whole[rear])
    if hidden < COVERED * np.count_nonzero(whole[rear]):
        return None
    return "in front of" if a == front else "behind"


def near(scene: Scene, a: int, b: int) -> bool:
    """Whether the centres of two objects are within `NEAR` of each other."""
    return dist(scene.objects[a].centre, scene.objects[b].centre) < NEAR * scene.size


def related(scene: Scene, b: int, relation: str) -> int | None:
    """Index of the only object that stands in `relation` to object `b`; None where there is none or anyone could argue.

    For a direction, no other object may lie on that side, however slantwise; for depth, no other may overlap `b` so.
    """
    others = [a for a in range(len(scene.objects)) if a != b]
    if relation in ("in front of", "behind"):
        related = [a for a in others if depth(scene, a, b) == relation]
        return related[0] if len(related) == 1 else None
    on_side = [a for a in others if _offset(scene, a, b, relation) > 0]
    return on_side[0] if len(on_side) == 1 and direction(scene, on_side[0], b) == relation else None


def _offset(scene: Scene, a: int, b: int, relation: str) -> float:
    """Measures how far, in pixels, the centre of `a` lies from that of `b` in the sense of a direction."""
    (ax, ay), (bx, by) = scene.objects[a].centre, scene.objects[b].centre
    return {"left of": bx - ax, "right of": ax - bx, "above": by - ay, "below": ay - by}[relation]
