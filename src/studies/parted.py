"""Weighed objects as they are shown."""

from src.figures.importance_sheet import Part, Parted
from src.studies.importance import Weighed, WeighedPhoto


def parted(photo: WeighedPhoto, inpainter: str) -> Parted:
    """A photo and its objects for figures and reports, as one of the inpainters removed them."""
    return Parted(photo.pixels / 255, photo.told.words, [_part(one, inpainter) for one in photo.objects])


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
