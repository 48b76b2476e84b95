"""Weighed objects as they are shown and written down."""

from typing import Any

from src.figures.importance_sheet import Part, Parted
from src.studies.importance import Weighed, WeighedPhoto


def parted(photo: WeighedPhoto) -> Parted:
    """A photo and its objects for figures and reports."""
    return Parted(photo.pixels / 255, photo.told.words, [_part(one, photo.inpainter) for one in photo.objects])


def _part(one: Weighed, inpainter: str) -> Part:
    change = one.changes.get(inpainter)
    if change is None:
        return Part(one.instance.category, one.mask, skipped=one.skipped)
    return Part(
        one.instance.category,
        one.mask,
        change.distance,
        picture=change.picture / 255,
        words=change.words,
        drop=change.drop,
    )


def records(photo: WeighedPhoto) -> list[dict[str, Any]]:
    """The objects as plain containers: what is said without each, by each inpainter, and how far that is."""
    return [
        {
            "object": one.instance.category,
            "box": [round(float(side), 2) for side in one.instance.box],
            "area": one.share,
            "skipped": one.skipped or None,
            "without": {
                name: {
                    "caption": " ".join(change.words),
                    "distance": change.distance,
                    "drop": change.drop,
                    "attention_same": change.attention_same,
                    "attention_sum": change.attention_sum,
                }
                for name, change in one.changes.items()
            },
        }
        for one in photo.objects
    ]
