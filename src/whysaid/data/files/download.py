"""One file over HTTP, resumable: what came is kept in NAME.partial, and renamed to NAME when it is whole and right."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from whysaid.data.files.whole import partial_of, put_in_place
from whysaid.errors import UserError

log = logging.getLogger(__name__)

_CHUNK = 1 << 18
_TIMEOUT = 60.0
"""Seconds of silence after which a connection counts as broken."""


def download(url: str, path: Path, size: int, md5: str | None = None) -> None:
    """Fetches `url` to `path`; nothing is asked for where `path` is there.

    A connection that breaks is taken up where it broke, as is the download of an earlier run.

    Args:
        url: http:// or https://.
        path: of the finished file.
        size: of the file, bytes.
        md5: its checksum, hexadecimal; None where the publisher's is not known.

    Raises UserError where the address cannot be reached or holds another file, the disk is full (what came is kept for
    the next run), or the checksum is wrong (what came is removed).
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    require_space(path.parent, size - _bytes(partial))
    while (have := _bytes(partial)) < size:
        _append(url, partial, have, size)
        if _bytes(partial) <= have:
            raise UserError(f"{url} broke off at {have:,} of {size:,} bytes: run this again, it continues there")
    _verify(partial, url, size, md5)
    put_in_place(partial, path)


def require_space(folder: Path, needed: int) -> None:
    """Raises UserError unless `needed` bytes are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(f"{folder} needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: make room and go on")


def _bytes(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0


def _append(url: str, partial: Path, have: int, size: int) -> None:
    """Opens one connection, asks for what is missing, and keeps what comes until it ends or breaks."""
    with _ask(url, partial, have) as response:
        if have and response.status != 206:  # the server sends the file from its beginning
            have = 0
        offered = have + int(response.headers.get("Content-Length", size - have))
        if offered != size:
            raise UserError(f"{url} holds {offered:,} bytes where {size:,} are expected: its publisher has changed it")
        bar = tqdm(initial=have, total=size, desc=partial.stem, unit="B", unit_scale=True, disable=None)
        try:
            with bar, partial.open("ab" if have else "wb") as file:
                for chunk in _received(response):
                    file.write(chunk)
                    bar.update(len(chunk))
        except OSError as error:
            raise UserError(f"{partial} cannot be written ({error.strerror}): make room and run this again") from error


def _ask(url: str, partial: Path, have: int) -> HTTPResponse:
    by_hand = f"or put {partial.stem} into {partial.parent} yourself"
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
        return response
    except HTTPError as error:
        raise UserError(f"{url} answers {error.code} {error.reason}: try again later, {by_hand}") from error
    except (OSError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        raise UserError(
            f"{url} cannot be reached ({cause}): check the network and run this again, {by_hand}"
        ) from error


def _received(response: HTTPResponse) -> Iterator[bytes]:
    """Yields what comes until the end or until the connection breaks; the size of the file tells which it was."""
    try:
        while chunk := response.read(_CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        log.warning("the connection broke (%s)", error)


def _verify(partial: Path, url: str, size: int, md5: str | None) -> None:
    received = _bytes(partial)
    if received != size:
        partial.unlink()
        raise UserError(f"{url} came as {received:,} bytes where {size:,} are expected: removed, run this again")
    if md5 is None:
        return
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest != md5:
        partial.unlink()
        raise UserError(f"{url} came damaged (MD5 {digest}, expected {md5}): removed, run this again")
