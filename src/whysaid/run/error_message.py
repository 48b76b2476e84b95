"""The one line that a door makes of an exception."""

import os
import re
import traceback
from collections.abc import Iterator
from errno import EACCES, EEXIST, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOTDIR, EPERM, EROFS
from pathlib import Path

import hydra
from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException

from whysaid.data.files.whole import FULL
from whysaid.errors import UserError, is_out_of_memory


def expected(error: BaseException) -> bool:
    """Tells whether an error is the user's or the configuration's, rather than a defect."""
    if _user_error(error) is not None or _wrong_call(error) or _outgrown(error) is not None:
        return True
    if isinstance(error, InstantiationException):  # Hydra wraps whatever a constructor raises
        return _refused(error) is not None
    return isinstance(error, UserError | HydraException | OmegaConfBaseException) or _refused(error) is not None


def error_line(error: BaseException) -> str:
    """Returns the message of an error, or of the user's error inside it, on one line."""
    refused = _refused(error)
    if refused is not None and refused.errno in FULL and _user_error(error) is None:
        where = f"the disk of {Path(refused.filename).parent}" if refused.filename else "a disk"
        return f"{where} is full ({refused.strerror}): make room, or choose other places with {_PLACES}"
    if refused is not None and _user_error(error) is None:
        return f"{refused.filename} cannot be read or written ({_reason(refused)}): choose other places with {_PLACES}"
    if _user_error(error) is None and _wrong_call(error):
        return _call_line(error)
    outgrown = _outgrown(error)
    if _user_error(error) is None and outgrown is not None:
        said = " ".join(str(outgrown).split())[:200] or "out of memory"
        return f"there is too little memory for this ({said}): {_SMALLER}"
    return " ".join(str(_user_error(error) or error).split())


_SMALLER = (
    "lower data.batch_size, attribution.chunk or the sizes of model and pictures, or give the process more memory"
)


def _outgrown(error: BaseException) -> BaseException | None:
    """Finds inside an error the one that says that no memory is left."""
    return next((link for link in _chain(error) if is_out_of_memory(link)), None)


_PLACES = "paths.output_dir, paths.data_dir, or data.cache_dir for what is derived from the data"


def _refused(error: BaseException | None) -> OSError | None:
    """Finds the operating system's refusal to read or write a file inside an error."""
    for link in _chain(error):
        if isinstance(link, OSError) and (link.errno in FULL or (link.errno in _REFUSALS and link.filename)):
            return link
    return None


_REFUSALS = (EACCES, EEXIST, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOTDIR, EPERM, EROFS)


def _reason(refused: OSError) -> str:
    """Says why a place cannot be used, where the system's own words would mislead."""
    path = Path(os.fsdecode(refused.filename))
    if refused.errno in (EEXIST, ENOTDIR):
        for place in (path, *path.parents):
            if place.is_symlink() and not place.exists():
                return f"{place} is a link to {place.readlink()}, which is not there"
            if place.is_file():
                return f"{place} is a file"
    return str(refused.strerror)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and what it came from, each once: one that was raised anew may be its own origin."""
    met: set[int] = set()
    while error is not None and id(error) not in met:
        yield error
        met.add(id(error))
        error = error.__cause__ or error.__context__


def _wrong_call(error: BaseException) -> bool:
    """Tells whether a configuration names what is not there, or gives it arguments that it does not take.

    A TypeError of the call itself has its last frame where the call stands; one of a constructor's own, inside of it.
    """
    cause = error.__cause__ if isinstance(error, InstantiationException) else error
    if isinstance(error, InstantiationException) and isinstance(cause, ImportError | None):
        return str(error).startswith("Error locating target")
    if not isinstance(cause, TypeError) or not _ARGUMENTS.search(str(cause)):
        return False
    *_, (frame, _) = traceback.walk_tb(cause.__traceback__)
    return Path(frame.f_code.co_filename).parent in _BUILDERS


_ARGUMENTS = re.compile(r"\(\) (?:missing|got an unexpected|got multiple|takes)")
_BUILDERS = (Path(hydra.__file__).parent / "_internal" / "instantiate", Path(__file__).parents[1] / "assemble")
"""Folders of the code that calls what a configuration names."""


def _call_line(error: BaseException) -> str:
    key = re.search(r"full_key: (\S+)", str(error))
    target = re.search(r"Error locating target '([^']+)'", str(error))
    what = f"there is no {target[1]}" if target else " ".join(str(error.__cause__ or error).split())
    return f"{key[1]}: {what}" if key else what


def _user_error(error: BaseException | None) -> UserError | None:
    return next((link for link in _chain(error) if isinstance(link, UserError)), None)
