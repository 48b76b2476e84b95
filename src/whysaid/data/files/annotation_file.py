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
        if path.stat().st_size > LARGEST_JSON:
            raise UserError(f"{path} has {path.stat().st_size} bytes, more than any annotation file: fetch it again")
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `python -m src.prepare data=NAME`, or set data.root") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not a JSON file ({error}): fetch it again") from None


@contextmanager
def laid_out(path: Path) -> Iterator[None]:
    """While the contents of an annotation file are taken apart: UserError for what is not there, or of another kind."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is not laid out as such a file is ({reason}): fetch it again") from error


def inside(folder: Path, name: str) -> Path:
    """`folder / name`, refusing names from annotation files that lead out of the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(f"the file name {name!r} leads out of {folder}: the annotation file is not to be trusted")
    return folder / name


def require_images(images: Sequence[Photo], split: str) -> None:
    """UserError if a split is empty or its first images are not where they should be."""
    if not images:
        raise UserError(f"the {split} split has no annotated image: check data.root and the annotation files")
    missing = [image.path for image in images if not image.path.exists()]
    if missing:
        raise UserError(f"{len(missing)} of {len(images)} {split} images are missing, the first is {missing[0]}")
