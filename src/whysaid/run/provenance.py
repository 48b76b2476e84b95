"""The code and the data that a run is of."""

import hashlib
import subprocess
from dataclasses import fields
from pathlib import Path

from whysaid.data.splits import SPLITS, Image, Splits


def provenance(data: Splits[Image]) -> dict[str, str]:
    """Returns `git_revision` and `data_fingerprint`, for the configuration that a logger keeps."""
    return {"git_revision": git_revision(), "data_fingerprint": data_fingerprint(data)}


def git_revision() -> str:
    """Returns the commit of the checkout that this file lies in, with `+` where files have changed since.

    Empty where the file lies in no checkout, or git is missing.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def data_fingerprint(data: Splits[Image]) -> str:
    """Returns 16 hexadecimal digits that change with the ids, file names, captions or questions of any split.

    They change with the order too, and are the same wherever the files lie.
    """
    digest = hashlib.blake2b(digest_size=8)
    for split in SPLITS:
        for image in data.images(split):
            values = [getattr(image, field.name) for field in fields(image)]
            portable = [value.name if isinstance(value, Path) else value for value in values]
            digest.update(repr((split, portable)).encode("utf-8", "replace"))
    return digest.hexdigest()
