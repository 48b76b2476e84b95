"""Which annotation files are about which pictures.

`ROOT/annotations/{instances,person_boxes}_FOLDER.json` are about the pictures below `ROOT/FOLDER`, by their names. Ids
alone would not do: many programs number the pictures of each split from 1.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from whysaid.data.files.annotation_file import identity, laid_out
from whysaid.data.images import Photo
from whysaid.data.instances import Instance, Instances
from whysaid.errors import UserError

KINDS = ("instances", "person_boxes")
"""Beginnings of the files' names, what lies in an earlier one goes before."""

_DEPTH = 8
"""Folders upwards from a picture in which its data set's folder is looked for."""


def read_instances(images: Iterable[Photo]) -> Instances:
    """Reads what is annotated of images of a data set, under their own ids.

    Images without annotations are absent from the result. Raises UserError where a file is broken.
    """
    wanted: dict[_Annotated, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    find = cache(_annotated_folder)
    for image in images:
        path = image.path.absolute()
        annotated = find(path.parent)
        if annotated is not None:
            wanted[annotated][_name_in(annotated.folder, path)].append(image.id)
    instances = Instances()
    for annotated in sorted(wanted):
        for file in annotated.files:
            instances.read(file, partial(_under_own_ids, ids=wanted[annotated], annotated=annotated))
    return instances


def annotated_objects(photo: Path) -> list[Instance] | None:
    """The objects of a photo that lies in a data set's folder; None where none are annotated.

    Raises UserError where the folder's annotation file is broken.
    """
    path = photo.absolute()
    annotated = _annotated_folder(path.parent)
    if annotated is None or not annotated.files[0].name.startswith(KINDS[0]):
        return None
    return _objects_by_name(annotated).get(_name_in(annotated.folder, path))


def read_annotations(path: Path) -> Instances:
    """Reads all that is annotated in a file, or in a folder of such files, for whatever images, by their ids.

    Raises UserError where a file is broken, and where two files mean different pictures by one id.
    """
    if path.is_file():
        files = [(KINDS[0], path)]
    else:
        files = [(kind, file) for kind in KINDS for file in sorted(path.glob(f"{kind}_*.json"))]
    instances, pictures = Instances(), _Pictures()
    for kind, file in files:
        content = instances.read(file)
        with laid_out(file):
            pictures.add(kind, file, content)
    return instances


class _Annotated(NamedTuple):
    """A folder of pictures, and the files that annotate them, in the order of `KINDS`."""

    folder: Path
    files: tuple[Path, ...]


def _annotated_folder(folder: Path) -> _Annotated | None:
    """Finds the nearest folder, this one or one above it, that has annotations beside it."""
    for above in (folder, *folder.parents[:_DEPTH]):
        paths = (above.parent / "annotations" / f"{kind}_{above.name}.json" for kind in KINDS)
        files = tuple(path for path in paths if path.is_file())
        if files:
            return _Annotated(above, files)
    return None


def _name_in(folder: Path, path: Path) -> str:
    """Name of a picture as its annotation file calls it, without the ending: a copy may be of another format."""
    return path.relative_to(folder).with_suffix("").as_posix()


def _names(file_name: str, annotated: _Annotated) -> Iterator[str]:
    """Yields what `_name_in` may call a picture of this `file_name`, which may hold the folder's own name too."""
    path = PurePosixPath(str(file_name).replace("\\", "/"))
    yield path.with_suffix("").as_posix()
    if path.parts[:1] == (annotated.folder.name,) and len(path.parts) > 1:
        yield PurePosixPath(*path.parts[1:]).with_suffix("").as_posix()


def _under_own_ids(content: Any, ids: Mapping[str, list[int]], annotated: _Annotated) -> dict[str, Any]:
    """Returns a file's contents about the pictures of these names alone, under the ids that a data set gives them."""
    own: dict[int, list[int]] = {}
    images = []
    for image in content["images"]:
        own_ids = next((ids[name] for name in _names(image["file_name"], annotated) if name in ids), [])
        if own_ids and own.setdefault(identity(image["id"], "an image"), own_ids) is not own_ids:
            raise UserError(
                f"image {image['id']} in {annotated.files[0]} is {image['file_name']} and another picture too: number "
                "the pictures anew"
            )
        images += [{**image, "id": i} for i in own_ids]
    annotations = [
        {**entry, "image_id": i}
        for entry in content["annotations"]
        for i in own.get(identity(entry["image_id"], "an object's image"), ())
    ]
    return {**content, "images": images, "annotations": annotations}


@lru_cache(maxsize=1)
def _objects_by_name(annotated: _Annotated) -> dict[str, list[Instance]]:
    """Name of each annotated picture of a folder → its objects."""
    names: dict[str, int] = {}

    def numbered(content: Any) -> dict[str, Any]:
        for i, image in enumerate(content["images"]):
            names.update(dict.fromkeys(_names(image["file_name"], annotated), i))
        return _under_own_ids(content, {name: [i] for name, i in names.items()}, annotated)

    instances = Instances()
    instances.read(annotated.files[0], numbered)
    return {name: instances.objects.get(i, []) for name, i in names.items()}


class _Picture(NamedTuple):
    """What a file says of a picture: its name and size, and a digest of its objects."""

    file: Path
    name: str
    size: tuple[Any, Any]
    objects: int


class _Pictures:
    """The pictures that files mean by their ids; the same picture may be in several files, as in COCO's releases."""

    def __init__(self) -> None:
        self._known: dict[str, dict[Any, _Picture]] = {kind: {} for kind in KINDS}

    def add(self, kind: str, file: Path, content: Any) -> None:
        """Takes note of the pictures of a file; UserError where an id is that of another picture in an earlier file."""
        objects: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
        for entry in content["annotations"]:
            image_id = identity(entry["image_id"], "an object's image")
            objects[image_id].append((entry["id"], entry["category_id"], str(entry.get("bbox"))))
        for image in content["images"]:
            i, size = identity(image["id"], "an image"), (image["height"], image["width"])
            new = _Picture(file, str(image.get("file_name", "")), size, hash(frozenset(objects[i])))
            for other_kind, pictures in self._known.items():
                if i in pictures and not _same(pictures[i], new, kind == other_kind):
                    raise UserError(
                        f"image {i} is {pictures[i].name} in {pictures[i].file} and {new.name}, another picture, in "
                        f"{file}: set metrics.annotations to the one file that is about the evaluated images"
                    )
            self._known[kind].setdefault(i, new)


def _same(first: _Picture, second: _Picture, one_kind: bool) -> bool:
    """Whether two files mean one picture: of the same size, and with the same objects or, in another kind, name."""
    if first.size != second.size:
        return False
    if one_kind:
        return first.objects == second.objects
    return _number(first.name) == _number(second.name)


def _number(name: str) -> str:
    """What COCO's releases have in common of a picture's name: `COCO_val2014_000000000042.jpg`, `000000000042.jpg`."""
    return PurePosixPath(name).stem.rpartition("_")[2]
