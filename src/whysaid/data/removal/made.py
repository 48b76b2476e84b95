"""Changed pictures on disk: each is made once.

A folder holds `<image id>-<place>.png` and, when all are there, `index.json`.
"""

import json
import logging
import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from whysaid.data.files.kept import Unkept, load_json, loaded, locked
from whysaid.data.files.whole import replaced, write_whole
from whysaid.data.images import Photo, load_image
from whysaid.data.removal.removals import Removals, World
from whysaid.errors import UserError

log = logging.getLogger(__name__)

INDEX = "index.json"


@dataclass(frozen=True)
class MadePicture(Photo):
    """A changed picture, with an id of its own. category: what left it, or None where nothing did."""

    category: str | None


def make_pictures(removals: Removals, world: World, folder: Path, workers: int = 0) -> dict[int, list[MadePicture]]:
    """Makes the changed pictures that `folder` does not hold yet, and gives them all: image id → its own.

    Args:
        removals: says what leaves, and what takes its place.
        world: the pictures and the objects in them.
        folder: of these removals alone. Locked while written: a second process waits and finds the work done.
        workers: processes that make them; 0 makes them in this one.

    Raises:
        UserError: no object can be taken out of any picture.
        Unkept: they are not there, and the folder cannot be written.
    """
    made = loaded(folder / INDEX, _load, tell=False)  # from what may be a folder that can only be read
    if made is not None:
        return made
    with locked(folder, "lock") as writable:
        if not writable:
            raise Unkept(f"pictures without an object cannot be kept in {folder}: set data.cache_dir")
        made = loaded(folder / INDEX, _load)
        if made is None:
            write_whole(folder / INDEX, json.dumps(_make_all(removals, world, folder, workers)) + "\n")
            made = _load(folder / INDEX)
    return made


def _make_all(removals: Removals, world: World, folder: Path, workers: int) -> list[tuple[int, str, str | None]]:
    """Makes the pictures, and lists image id, file name and category of each."""
    log.info("making training pictures without one of their objects in %s", folder, extra={"progress": True})
    makers = _Makers(removals, world, folder)
    # the loader's draws are its own, so that a training draws the same whether the pictures were there or not
    loader = DataLoader(makers, batch_size=None, num_workers=workers, generator=torch.Generator())
    bar = tqdm(loader, desc="taking objects out", unit="image", disable=None)
    try:
        made = [entry for entries in bar for entry in entries]
    except OSError as error:
        if os.strerror(ENOSPC) in str(error):  # a worker's error is its text alone
            raise OSError(ENOSPC, os.strerror(ENOSPC), str(folder / INDEX)) from error
        raise
    os.sync()
    if not made:
        raise UserError(
            f"no object can be taken out of the {len(makers)} training pictures with annotated objects: none is named "
            "by a caption, outlined, and of a size between data.removal.smallest and data.removal.largest"
        )
    kinds = Counter("elsewhere" if category is None else "removed" for _, _, category in made)
    log.info("made %d pictures without an object and %d with a fill elsewhere", kinds["removed"], kinds["elsewhere"])
    return made


def _load(index: Path) -> dict[int, list[MadePicture]]:
    """Reads an index; ValueError where a picture would lie in another folder."""
    made: dict[int, list[MadePicture]] = defaultdict(list)
    for number, (image_id, name, category) in enumerate(load_json(index), 1):
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no file of this folder")
        made[image_id].append(MadePicture(number, index.with_name(name), category))
    return dict(made)


class _Makers(Dataset[list[tuple[int, str, str | None]]]):
    """Item i makes all changed pictures of one picture, and gives what `_make_all` lists."""

    def __init__(self, removals: Removals, world: World, folder: Path):
        self.removals, self.world, self.folder = removals, world, folder
        self.images = [image for image in world.images if world.instances.objects.get(image.id)]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> list[tuple[int, str, str | None]]:
        image, (_, instances, words, preprocessing) = self.images[i], self.world
        entries: list[tuple[int, str, str | None]] = []
        possible = self.removals.of(image, instances.objects[image.id], words, preprocessing.size)
        for place, removal in enumerate(possible):
            path = self.folder / f"{image.id}-{place}.png"
            if not path.exists():
                try:
                    photo = load_image(image.path)
                except UserError:  # it is left out of training too
                    return []
                rng = np.random.default_rng((self.removals.seed, image.id, place))
                with replaced(path, durable=False) as partial:
                    self.removals.picture(photo, image.id, removal, rng).save(partial, "PNG")
            entries.append((image.id, path.name, removal.category))
        return entries
