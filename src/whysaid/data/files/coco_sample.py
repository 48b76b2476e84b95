"""A sample of MSCOCO 2017: some thousand photos, each fetched by its id, with the annotations that belong to them."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import yaml
from filelock import FileLock
from tqdm import tqdm

from whysaid.data.files.acquire import Archive
from whysaid.data.files.annotation_file import laid_out, read_json
from whysaid.data.files.archive import extract
from whysaid.data.files.download import download
from whysaid.data.files.whole import replaced, write_whole
from whysaid.data.images import load_image
from whysaid.errors import UserError

log = logging.getLogger(__name__)

KINDS = ("captions", "instances")
"""Annotation files of a folder of photos."""

_TRIES = 3
_TIMEOUT = 60.0
"""Seconds of silence after which a connection counts as broken."""


class CocoSample:
    """The files of the sample under its root, laid out as MSCOCO 2017 is; it goes on where an earlier run was stopped.

    Args:
        root: folder of the data set.
        annotations: the published annotations of all of MSCOCO 2017; removed when the sample's own are made.
        photos: address of the folders of photos.
        ids: folder → ids of its photos; None stands for those of `coco_sample.yaml` beside this file.
        connections: photos that are fetched at once.
    """

    def __init__(
        self,
        root: str,
        annotations: Archive,
        photos: str,
        ids: Mapping[str, Sequence[int]] | None = None,
        connections: int = 8,
    ):
        self.root, self.annotations, self.photos, self.connections = Path(root), annotations, photos, connections
        self.ids: Mapping[str, Sequence[int]] = sample_ids() if ids is None else ids

    def fetch(self) -> None:
        """Fetches what is not there.

        Raises:
            UserError: the publisher cannot be reached, or gives something else.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / ".lock"):
            if not all(self._path(kind, folder).exists() for folder in self.ids for kind in KINDS):
                self._fetch_annotations()
            self._fetch_photos()

    def _path(self, kind: str, folder: str) -> Path:
        return self.root / "annotations" / f"{kind}_{folder}.json"

    def _fetch_annotations(self) -> None:
        """Downloads all annotations and keeps those of the sample."""
        archive, whole = self.root / self.annotations.name, self.root / "all"
        download(self.annotations.url, archive, self.annotations.size, self.annotations.md5)
        extract(archive, whole, self.annotations.provides)
        (self.root / "annotations").mkdir(exist_ok=True)
        for folder, ids in self.ids.items():
            for kind in KINDS:
                path = whole / "annotations" / f"{kind}_{folder}.json"
                with laid_out(path):
                    write_whole(self._path(kind, folder), json.dumps(chosen(read_json(path), frozenset(ids))))
        shutil.rmtree(whole)
        archive.unlink()

    def _fetch_photos(self) -> None:
        """Downloads the photos that are not there, some at once."""
        wanted = [f"{folder}/{photo:012d}.jpg" for folder, ids in self.ids.items() for photo in ids]
        missing = [name for name in wanted if not (self.root / name).exists()]
        for folder in self.ids:
            (self.root / folder).mkdir(exist_ok=True)
        with ThreadPoolExecutor(self.connections) as pool:
            fetched = pool.map(self._fetch_photo, missing)
            try:
                for _ in tqdm(fetched, total=len(missing), desc="photos", unit="photo", disable=None):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        if missing:
            os.sync()

    def _fetch_photo(self, name: str) -> None:
        """Downloads one photo; a connection that breaks is tried again."""
        url = f"{self.photos}/{name}"
        for attempt in range(_TRIES):
            try:
                with urlopen(url, timeout=_TIMEOUT) as response:
                    content, tag = response.read(), response.headers.get("ETag", "").strip('"')
                break
            except HTTPError as error:
                raise UserError(f"{url} answers {error.code} {error.reason}: try again later") from error
            except (OSError, HTTPException) as error:
                if attempt == _TRIES - 1:
                    raise UserError(f"{url} cannot be reached ({error}): run this again, it continues") from error
                log.warning("%s: the connection broke (%s)", url, error)
        if len(tag) == 32 and hashlib.md5(content).hexdigest() != tag:  # the publisher's tags are such checksums
            raise UserError(f"{url} came damaged (MD5 is not {tag}): run this again")
        with replaced(self.root / name, durable=False) as partial:
            partial.write_bytes(content)
            load_image(partial)


def sample_ids() -> dict[str, list[int]]:
    """The ids of the sample's photos: folder of MSCOCO 2017 → ids."""
    text = (files("whysaid.data.files") / "coco_sample.yaml").read_text(encoding="utf-8")
    ids: dict[str, list[int]] = yaml.safe_load(text)
    return ids


def chosen(content: Mapping[str, Any], ids: frozenset[int]) -> dict[str, Any]:
    """The contents of an annotation file, of some images alone."""
    return {
        **content,
        "images": [image for image in content["images"] if image["id"] in ids],
        "annotations": [annotation for annotation in content["annotations"] if annotation["image_id"] in ids],
    }
