"""Captions in files of other systems: what they predicted, and what people wrote.

An image is known by a number or, where the files have none, by a name; a number in quotes is a number.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whysaid.data.files.annotation_file import laid_out, read_json
from whysaid.errors import UserError

ImageId = Any
"""An int, or a str."""


@dataclass
class ReferenceFile:
    """captions: image id → what people wrote, none of it empty. names: file name of an image → its id."""

    captions: dict[ImageId, list[str]]
    names: dict[str, ImageId] = field(default_factory=dict)


def read_predictions(path: Path) -> dict[ImageId, str]:
    """Reads one caption of each image.

    The file is JSON: a list of `{"image_id": …, "caption": …}`, which is COCO's format of results, or an object from
    image id to caption.

    Raises:
        UserError: the file is missing, is laid out in another way, or has two captions of one image.
    """
    predictions: dict[ImageId, str] = {}
    with laid_out(path):
        for image_id, captions in _pairs(_content(path)):
            if image_id in predictions or len(captions) != 1:
                raise UserError(f"{path} has {len(captions) + (image_id in predictions)} captions of image {image_id}")
            (predictions[image_id],) = captions
    if not predictions:
        raise UserError(f"{path} holds no captions to score")
    return predictions


def read_references(path: Path) -> ReferenceFile:
    """Reads the captions that people wrote.

    The file is JSON: COCO's `captions_*.json`; Karpathy's `dataset_*.json`; a list of `{"image_id": …, "caption": …}`
    with several of each image, or of `{"image_id": …, "references": […]}`, as `predictions_test.json` has it; or an
    object from image id to a list of captions.

    Raises:
        UserError: the file is missing, is laid out in another way, or has no caption.
    """
    references: dict[ImageId, list[str]] = defaultdict(list)
    with laid_out(path):
        content = _content(path)
        names: dict[str, ImageId] = {}
        if isinstance(content, dict) and "images" in content:
            annotated = "annotations" in content
            pairs = _pairs(content["annotations"]) if annotated else _karpathy(content["images"])
            names = {Path(name).name: i for image in content["images"] for i, name in [_named(image)]}
        else:
            pairs = _pairs(content, ("references", "captions"))
        for image_id, captions in pairs:
            references[image_id] += [" ".join(caption.split()) for caption in captions if caption.strip()]
    kept = {image_id: captions for image_id, captions in references.items() if captions}
    if not kept:
        raise UserError(f"{path} holds no captions to compare with")
    return ReferenceFile(kept, names)


def by_reference(predictions: Mapping[ImageId, str], references: ReferenceFile) -> dict[ImageId, str]:
    """The predictions under the ids of the references, which file names stand for as well."""
    return {
        key if key in references.captions else references.names.get(str(key), key): caption
        for key, caption in predictions.items()
    }


def _content(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    return read_json(path)


def _pairs(content: Any, lists: Sequence[str] = ()) -> Iterator[tuple[ImageId, list[str]]]:
    """Yields image id and captions of each entry of a list or of an object; those of an entry stand under `caption`, or
    before that under one of the names of `lists`."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield _id(key), [_text(part) for part in (value if isinstance(value, list) else [value])]
        return
    for entry in content:
        captions = next((entry[name] for name in lists if name in entry), None)
        yield _id(entry["image_id"]), [_text(part) for part in ([entry["caption"]] if captions is None else captions)]


def _karpathy(images: Iterable[Mapping[str, Any]]) -> Iterator[tuple[ImageId, list[str]]]:
    for image in images:
        yield _named(image)[0], [_text(sentence["raw"]) for sentence in image["sentences"]]


def _named(image: Mapping[str, Any]) -> tuple[ImageId, str]:
    """Id and file name of an image; Karpathy's file of COCO counts images anew, and has COCO's own ids beside that."""
    if "id" in image:
        return _id(image["id"]), str(image.get("file_name", ""))
    return _id(image.get("cocoid", image.get("imgid"))), str(image["filename"])


def _id(value: Any) -> ImageId:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r} is no image id")
    return int(value) if str(value).isdecimal() else value


def _text(value: Any) -> str:
    caption = value["caption"] if isinstance(value, dict) else value
    if not isinstance(caption, str):
        raise ValueError(f"{caption!r} is no caption")
    return caption
