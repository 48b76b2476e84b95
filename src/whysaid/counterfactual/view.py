"""The objects of a photo and what their removal did, as they are shown and written down."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whysaid.counterfactual.importance import ObjectEffect, PhotoEffects
from whysaid.data.files.table import TableValue
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects

KINDS = ("distance", "drop", "attention_same", "attention_sum")
"""Numbers of a `CaptionChange`."""


def photo_objects(photo: PhotoEffects) -> PhotoObjects:
    """A photo and its objects for figures and reports."""
    parts = [_part(effect, photo) for effect in photo.objects]
    return PhotoObjects(photo.pixels / 255, photo.original.words, parts, _on_grid(photo.original.looked, photo))


def _part(effect: ObjectEffect, photo: PhotoEffects) -> PhotoObject:
    change = effect.changes.get(photo.inpainter)
    if change is None:
        return PhotoObject(effect.instance.category, effect.mask, skipped=effect.skipped)
    return PhotoObject(
        effect.instance.category,
        effect.mask,
        change.distance,
        picture=change.picture / 255,
        words=change.words,
        drop=change.drop,
        attention=_on_grid(change.attention, photo),
        moved=(change.attention_same, change.attention_sum),
    )


def _on_grid(attention: NDArray[np.floating], photo: PhotoEffects) -> NDArray[np.floating] | None:
    """(R,) → rows and columns, without regions in front of the grid's; None where regions have no place."""
    if photo.grid is None:
        return None
    return attention[attention.size - photo.grid[0] * photo.grid[1] :].reshape(photo.grid)


def records(photo: PhotoEffects) -> list[dict[str, Any]]:
    """The objects as plain containers: what is said with and without each, by each inpainter, and how far that is."""
    return [
        {
            "object": effect.instance.category,
            "box": [round(float(side), 2) for side in effect.instance.box],
            "area": effect.share,
            "skipped": effect.skipped or None,
            "caption": " ".join(photo.original.words),
            "without": {
                name: {"caption": " ".join(change.words), **{kind: getattr(change, kind) for kind in KINDS}}
                for name, change in effect.changes.items()
            },
        }
        for effect in photo.objects
    ]


def table_rows(photo: PhotoEffects, names: Sequence[str]) -> list[dict[str, TableValue]]:
    """A row for each object, skipped ones too: what was said before and without it by each of the ways to remove it
    that are named, and how far that is."""
    rows: list[dict[str, TableValue]] = []
    for effect in photo.objects:
        row: dict[str, TableValue] = {
            "object": effect.instance.category,
            "area": effect.share,
            "skipped": effect.skipped or None,
            "caption": " ".join(photo.original.words),
            "log_p": photo.original.log_p,
        }
        for name in names:
            row |= _columns(name, effect)
        rows.append(row)
    return rows


def _columns(name: str, effect: ObjectEffect) -> dict[str, TableValue]:
    change = effect.changes.get(name)
    values: dict[str, TableValue] = {f"{kind}_{name}": getattr(change, kind, None) for kind in KINDS}
    return {f"without_{name}": None if change is None else " ".join(change.words), **values}
