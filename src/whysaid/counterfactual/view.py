"""Weighed objects as they are shown and written down."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whysaid.counterfactual.importance import ObjectEffect, PhotoEffects
from whysaid.data.files.table import TableValue
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects

KINDS = ("distance", "drop", "attention_same", "attention_sum")
"""Numbers of a `Change`."""


def photo_objects(photo: PhotoEffects) -> PhotoObjects:
    """A photo and its objects for figures and reports."""
    parts = [_part(one, photo) for one in photo.objects]
    return PhotoObjects(photo.pixels / 255, photo.told.words, parts, _on_grid(photo.told.looked, photo))


def _part(one: ObjectEffect, photo: PhotoEffects) -> PhotoObject:
    change = one.changes.get(photo.inpainter)
    if change is None:
        return PhotoObject(one.instance.category, one.mask, skipped=one.skipped)
    return PhotoObject(
        one.instance.category,
        one.mask,
        change.distance,
        picture=change.picture / 255,
        words=change.words,
        drop=change.drop,
        attention=_on_grid(change.attention, photo),
        moved=(change.attention_same, change.attention_sum),
    )


def _on_grid(attention: NDArray[np.floating], photo: PhotoEffects) -> NDArray[np.floating] | None:
    """(R,) → rows and columns, or None where regions have no place in the photo."""
    return None if photo.grid is None else attention.reshape(photo.grid)


def records(photo: PhotoEffects) -> list[dict[str, Any]]:
    """The objects as plain containers: what is said with and without each, by each inpainter, and how far that is."""
    return [
        {
            "object": one.instance.category,
            "box": [round(float(side), 2) for side in one.instance.box],
            "area": one.share,
            "skipped": one.skipped or None,
            "caption": " ".join(photo.told.words),
            "without": {
                name: {"caption": " ".join(change.words), **{kind: getattr(change, kind) for kind in KINDS}}
                for name, change in one.changes.items()
            },
        }
        for one in photo.objects
    ]


def table_rows(photo: PhotoEffects, names: Sequence[str]) -> list[dict[str, TableValue]]:
    """A row for each object, skipped ones too: what was said before and without it by each of the ways to remove it
    that are named, and how far that is."""
    rows: list[dict[str, TableValue]] = []
    for one in photo.objects:
        row: dict[str, TableValue] = {
            "object": one.instance.category,
            "area": one.share,
            "skipped": one.skipped or None,
            "caption": " ".join(photo.told.words),
            "log_p": photo.told.log_p,
        }
        for name in names:
            row |= _columns(name, one)
        rows.append(row)
    return rows


def _columns(name: str, one: ObjectEffect) -> dict[str, TableValue]:
    change = one.changes.get(name)
    values: dict[str, TableValue] = {f"{kind}_{name}": getattr(change, kind, None) for kind in KINDS}
    return {f"without_{name}": None if change is None else " ".join(change.words), **values}
