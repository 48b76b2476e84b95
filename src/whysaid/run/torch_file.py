"""Files that `torch.save` wrote: damage and code in them are met before anything is made of what they hold."""

from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import ZIP_STORED, ZipFile, is_zipfile

import torch

from whysaid.errors import is_out_of_memory


class Unreadable(ValueError):
    """The reason why a file cannot be read, on one line."""


class HoldsCode(Unreadable):
    """The file holds code beside its data, or is damaged so that it seems to."""


def load_torch(path: Path, code: bool = False, legacy: bool = False) -> Any:
    """Reads a file onto the CPU.

    torch itself compares no checksum, so that flipped bits in it would become other weights without a word.

    Args:
        path: of the file.
        code: run the code that the file holds.
        legacy: accept the layout before torch 1.6 too, in which many published weights still are; it has no checksums.

    Raises:
        Unreadable: it is damaged, or no such file, or holds code that may not run.
    """
    if path.is_dir():
        raise Unreadable("it is a folder")
    if is_zipfile(path):
        status = path.stat()
        problem = _problem(path, status.st_mtime_ns, status.st_size)
        if problem:
            raise Unreadable(problem)
    elif not legacy:
        raise Unreadable("it is no file of torch.save, or cut off")
    try:
        return torch.load(path, "cpu", weights_only=not code)
    except UnpicklingError as error:  # whose message explains how to run the code all the same
        raise HoldsCode("it holds code" + ("" if is_zipfile(path) else " or is no file of torch.save")) from error
    except Exception as error:  # torch raises many kinds for a foreign file
        if is_out_of_memory(error):
            raise
        raise Unreadable(_first_line(error)) from error


@lru_cache(maxsize=16)
def _problem(path: Path, changed: int, size: int) -> str:
    """Says what is wrong with the archive that a file of torch is; empty where nothing is.

    A run reads its checkpoint several times: an answer is kept for as long as time and size of the file stay.
    """
    try:
        with ZipFile(path) as archive:
            packed = [member.filename for member in archive.infolist() if member.compress_type != ZIP_STORED]
            if packed:
                return f"{packed[0]} in it is compressed, which torch.save never does"
            damaged = archive.testzip()
    except Exception as error:  # zipfile raises many kinds too
        return f"it is damaged: {_first_line(error)}"
    return f"{damaged} in it is damaged (CRC-32)" if damaged else ""


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
