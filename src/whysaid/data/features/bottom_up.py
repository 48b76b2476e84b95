"""Published bottom-up features (Anderson et al. 2018) to a feature store.

R regions, D features.
"""

import base64
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from whysaid.data.features.index import StaleCache
from whysaid.data.features.pictures import PictureKeys
from whysaid.data.features.store import FeatureStore
from whysaid.data.features.writer import FeatureWriter
from whysaid.data.files.folder import visible_files
from whysaid.errors import UserError

REGIONS = 36
"""R: the regions kept of an image, the first in its file; images with fewer are padded and masked."""

_COMMAND = "`python -m src.prepare data=NAME encoder=regions regions_file=PATH`"
_FIELDS = 6
"""image_id, image_w, image_h, num_boxes, boxes, features; tab-separated, the last two float32 in base64."""


def store_regions(source: Path, folder: Path, fingerprint: str, dim: int, wanted: PictureKeys) -> None:
    """Writes the regions of images that `folder` does not hold yet; may be repeated with the next file.

    Args:
        source: a published TSV file, an image's `.npy` or `.npz` file with an array (n, D), or a folder of them; array
            files are named by their image id (`42.npz`, `COCO_val2014_000000000042.npy`).
        folder: of the FeatureStore, continued or extended; locked while written.
        fingerprint: of the encoder that the regions stand in for.
        dim: D.
        wanted: keys of the pictures of the data set; others are left out.

    Raises UserError where two pictures have one id, which files of regions cannot tell apart, and where features are
    damaged or of another width, naming file and line.
    """
    by_id = _by_id(wanted)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"), FeatureWriter(folder, fingerprint, (REGIONS, dim)) as writer:
        missing = {image_id for image_id, key in by_id.items() if key not in writer}
        with tqdm(total=len(missing), desc="regions", unit="image", disable=None) as bar:
            for path in _files(source):
                for image_id, regions in _read(path, missing, dim):
                    writer.add(by_id[image_id], regions[:REGIONS])
                    missing.remove(image_id)
                    bar.update()


def _by_id(wanted: PictureKeys) -> dict[int, str]:
    """Returns image id → key."""
    paths: dict[int, Path] = {}
    for image_id, path in wanted:
        if paths.setdefault(image_id, path) != path:
            raise UserError(
                f"{paths[image_id]} and {path} are both image {image_id}, and files of regions know images by their "
                "ids alone: give the pictures ids of their own"
            )
    return {image_id: key for (image_id, _), key in wanted.items()}


def open_regions(folder: Path, fingerprint: str, wanted: PictureKeys) -> FeatureStore:
    """Opens the store that `store_regions` left; UserError saying how to prepare it where a wanted picture lacks."""
    try:
        store = FeatureStore(folder, fingerprint)
    except StaleCache as error:
        raise UserError(f"there are no finished bottom-up regions in {folder}: run {_COMMAND}") from error
    missing = sorted(picture for picture, key in wanted.items() if key not in store)
    if missing:
        image_id, path = missing[0]
        raise UserError(
            f"{folder} lacks the regions of {len(missing)} of {len(wanted)} images, the first is image {image_id}, "
            f"{path}: run {_COMMAND} on the file that holds them"
        )
    return store


def _files(source: Path) -> list[Path]:
    if not source.exists():
        raise UserError(f"there is no {source}: regions_file names a TSV file or a folder of TSV, .npy or .npz files")
    if source.is_file():
        return [source]
    # the published training features come in parts: NAME.tsv.0, NAME.tsv.1
    files = [path for path in visible_files(source) if {".tsv", ".npy", ".npz"} & set(path.suffixes)]
    if not files:
        raise UserError(f"{source} holds no TSV, .npy or .npz file: set regions_file")
    return files


def _read(path: Path, wanted: Collection[int], dim: int) -> Iterator[tuple[int, np.ndarray]]:
    """Image id and regions (n, D) of each wanted image in a file."""
    if path.suffix in (".npy", ".npz"):
        image_id = _image_id(path)
        if image_id in wanted:
            yield image_id, _load(path, dim)
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                image_id = int(line.partition(b"\t")[0])
                regions = _decode(line, dim) if image_id in wanted else None
            except ValueError as error:
                raise UserError(f"line {number} of {path} is no bottom-up feature ({error}): fetch it again") from error
            if regions is not None:
                yield image_id, regions


def _decode(line: bytes, dim: int) -> np.ndarray:
    """(n, D) float32 of a line of the TSV; ValueError where it is cut or of another width."""
    fields = line.rstrip(b"\r\n").split(b"\t")
    if len(fields) != _FIELDS:
        raise ValueError(f"{len(fields)} fields in place of {_FIELDS}")
    boxes, data = int(fields[3]), base64.b64decode(fields[5])
    if boxes < 1 or len(data) != 4 * boxes * dim:
        raise ValueError(f"{len(data)} bytes in place of {boxes} × {dim} float32")
    return np.frombuffer(data, np.float32).reshape(boxes, dim)


def _image_id(path: Path) -> int:
    digits = re.search(r"\d+$", path.stem)
    if digits is None:
        raise UserError(f"the name of {path} ends in no image id: name region files like 42.npz")
    return int(digits[0])


def _load(path: Path, dim: int) -> np.ndarray:
    """(n, D) from an array file: the only array of that shape in it."""
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = [loaded] if isinstance(loaded, np.ndarray) else [loaded[name] for name in loaded.files]
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"{path} is no array file ({error}): fetch it again") from error
    fitting = [array for array in arrays if array.ndim == 2 and len(array) and array.shape[1] == dim]
    if len(fitting) != 1:
        raise UserError(f"{path} holds arrays {[array.shape for array in arrays]}, expected one of (n, {dim})")
    return fitting[0]
