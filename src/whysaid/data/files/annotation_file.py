"""Annotation files in JSON, which somebody else may have written: what they hold is looked at before it is used."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whysaid.data.images import Photo
from whysaid.errors import UserError

LARGEST_JSON = 4 * 2**30
"""Bytes of an annotation file; the largest of COCO and Visual Genome have less than 1 GB."""


def read_json(path: Path) -> Any:
    """A JSON file's contents; UserError where it is missing or broken."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is a folder or a device, where a JSON file belongs: move it away")
        if path.stat().st_size > LARGEST_JSON:
            raise UserError(f"{path} has {path.stat().st_size} bytes, more than any annotation file: fetch it again")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `python -m src.prepare data=NAME`, or set data.root") from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or a number of thousands of digits
        raise UserError(f"{path} is not a JSON file ({error}): fetch it again") from None


@contextmanager
def laid_out(path: Path) -> Iterator[None]:
    """Guards the taking apart of an annotation file: UserError for what is not there, or of another kind."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is not laid out as such a file is ({reason}): fetch it again") from error


def identity(value: Any, what: str) -> int:
    """Returns the id of an image, a question or an annotation, which some files write as text.

    Raises:
        ValueError: it is no whole number of 63 bits; `laid_out` makes one line of it.
    """
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if type(number) is not int or not -(2**63) <= number < 2**63:
        raise ValueError(f"the id of {what} is {str(value)[:60]!r}, and no whole number")
    return number


def inside(folder: Path, name: str) -> Path:
    """`folder / name`, refusing names from annotation files that lead out of the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise UserError(f"the file name {name!r} leads out of {folder}: the annotation file is not to be trusted")
    return folder / name


def require_images(images: Sequence[Photo], split: str) -> None:
    """Raises UserError if a split is empty, two of its images have one id, or some are not where they should be."""
    if not images:
        raise UserError(f"the {split} split has no annotated image: check data.root and the annotation files")
    paths: dict[int, Path] = {}
    for image in images:
        if paths.setdefault(image.id, image.path) != image.path:
            raise UserError(
                f"{paths[image.id]} and {image.path} are both image {image.id} of the {split} split, so that "
                "nobody knows whose captions are whose: give them ids of their own"
            )
    missing = [image.path for image in images if not image.path.exists()]
    if missing:
        raise UserError(f"{len(missing)} of {len(images)} {split} images are missing, the first is {missing[0]}")
