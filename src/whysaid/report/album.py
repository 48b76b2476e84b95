"""What stays of explained photos: pictures, maps, numbers and one report.

T explained words, S words read, H × W pixels of a stored map.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from whysaid.attribution.sentence import Array, MethodMaps, Sentence, to_photo
from whysaid.attribution.support.words import DOUBTFUL, doubtful_words
from whysaid.checkpoint import Origin
from whysaid.counterfactual.importance import PhotoEffects
from whysaid.counterfactual.view import photo_objects, records, table_rows
from whysaid.data.files.table import TableValue, csv_text
from whysaid.data.files.whole import replaced, write_whole
from whysaid.data.images import View, image_of
from whysaid.figures.canvas import save
from whysaid.figures.explained import ExplainedPhoto, draw
from whysaid.figures.overlay import soften
from whysaid.figures.photo_objects import PhotoObjects
from whysaid.figures.share_bar import attention_shares
from whysaid.report.page import ReportPage
from whysaid.run.printable import encodable, plain_stem

DRAWN = 320
"""Pixels of the longer side of a photo in a figure."""

LARGEST_MAP = 640
"""Pixels of the longer side of a stored map, unless another number is asked for."""


class Album:
    """Writes one explained photo after another into a run directory.

    `figures/<photo>_<method>.png`, `_words.png`, `_methods.png`, `_importance.png` and `_importance_attention.png`;
    `<photo>.npz`: a map (T, H, W) for each method, which `read_maps` reads, in the photo's own upright coordinates
    times `scale`, which is 1 unless the photo has more pixels than the encoder sees of it (magnitudes, but of the
    methods that `explanations.json` lists as `signed`); after `finish`, `explanations.json`, `report.html` and, where
    objects were taken out, `importance.csv`, a row for each of them.

    Args:
        folder: the run directory.
        largest_map: pixels of the longer side of a stored map at most, even where the encoder sees fewer; None: as many
            as the encoder sees, and `LARGEST_MAP` at most.
        same_range: in pictures, one colour range for all words of a photo rather than one for each.
        doubtful: support below which the page warns of a word, in [0, 1].
        keep_pictures: whether the photo without each object is stored too, as `<photo>_without_<object>.png`.

    Attributes:
        records: of the photos so far, as they will stand in explanations.json.
        skipped: the others, and why.
    """

    def __init__(
        self,
        folder: Path,
        largest_map: int | None = None,
        same_range: bool = False,
        doubtful: float = DOUBTFUL,
        keep_pictures: bool = False,
    ):
        self.folder, self.largest_map, self.same_range = folder, largest_map, same_range
        self.doubtful, self.keep_pictures = doubtful, keep_pictures
        self.records: list[dict[str, Any]] = []
        self.skipped: list[str] = []
        self._objects: list[dict[str, TableValue]] = []
        self._methods: dict[str, bool] = {}
        self._report = ReportPage(same_range, doubtful)

    def map_size(self, photo: Image.Image, sentence: Sentence) -> tuple[int, int]:
        """Height and width in which the photo's maps are stored."""
        scale = self._scale(photo, sentence)
        return max(1, round(photo.height * scale)), max(1, round(photo.width * scale))

    def _scale(self, photo: Image.Image, sentence: Sentence) -> float:
        """Stored pixels per pixel of the photo."""
        if self.largest_map is not None:
            return min(1.0, self.largest_map / max(photo.size))
        scale = min(1.0, LARGEST_MAP / max(photo.size))
        if sentence.batch.images is None:
            return scale
        height, width = resolution(sentence.batch.images.shape[-2:], sentence.views)
        return min(scale, max(height / photo.height, width / photo.width))

    def megabytes(self, photo: Image.Image, sentence: Sentence, methods: int) -> float:
        """Size of the maps that so many methods will have stored of a photo, before compression, in 10⁶ bytes."""
        height, width = self.map_size(photo, sentence)
        return methods * len(sentence.said) * height * width * np.dtype(np.float16).itemsize / 1e6

    def skip(self, message: str) -> None:
        """Notes a photo that is left out, and why."""
        self.skipped.append(encodable(message))

    def add(
        self,
        path: Path,
        photo: Image.Image,
        sentence: Sentence,
        explanations: Mapping[str, MethodMaps],
        effects: PhotoEffects | None = None,
    ) -> None:
        """Draws and stores one photo; `explanations` has maps of `map_size`, `effects` what its objects do where
        they were taken out."""
        name, shown = self._unused(plain_stem(path)), shown_of(photo, sentence, explanations)
        shown.objects = None if effects is None else photo_objects(effects)
        figures = draw(shown, self.same_range)
        for kind, figure in figures.items():
            save(figure, self.folder / "figures" / f"{name}_{kind}.png")
        maps: dict[str, Any] = stored({method: method_maps.maps for method, method_maps in explanations.items()})
        with replaced(self.folder / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez_compressed(file, **maps)
        self._report.add(encodable(path.name), photo, shown)
        objects: dict[str, Any] = {} if effects is None else {"objects": records(effects)}
        if shown.objects is not None and self.keep_pictures:
            for record, picture in zip(objects["objects"], self._store(name, shown.objects), strict=True):
                record["picture"] = picture
        if effects is not None:
            self._objects += [{"image": encodable(path), **row} for row in table_rows(effects, effects.removals)]
        self._methods |= {method: method_maps.signed for method, method_maps in explanations.items()}
        doubted = (
            {} if shown.support is None else {"doubtful": doubtful_words(shown.said, shown.support, self.doubtful)}
        )
        self.records.append(
            {
                "image": encodable(path),
                "size": list(photo.size),
                "caption": " ".join(sentence.said),
                "words": sentence.said,
                "read": sentence.read,
                "remark": sentence.remark,
                **({} if sentence.pieces is None else {"pieces": asdict(sentence.pieces)}),
                **sentence.about,
                **doubted,
                **objects,
                "relevance": {method: _numbers(method_maps) for method, method_maps in explanations.items()},
                "maps": f"{name}.npz",
                "scale": self._scale(photo, sentence),
                "figures": [f"figures/{name}_{kind}.png" for kind in figures],
            }
        )

    def finish(self, origin: Origin) -> None:
        """Writes explanations.json, report.html and, where there are any, the table of objects."""
        about = {
            "checkpoint": encodable(origin.path),
            "sha256": origin.sha256(),
            "methods": list(self._methods),
            "signed": [method for method, signed in self._methods.items() if signed],
        }
        content = {**about, "explanations": self.records, "skipped": self.skipped}
        write_whole(self.folder / "explanations.json", json.dumps(content, indent=1) + "\n")
        number = f"{len(self.records)} photo{'s' if len(self.records) != 1 else ''}"
        source = f"{number}, explained by {origin.path} (SHA-256 {about['sha256'][:12]}…)."
        if self._objects:
            write_whole(self.folder / "importance.csv", csv_text(self._objects))
        write_whole(self.folder / "report.html", self._report.page(source, self.skipped))

    def _store(self, name: str, objects: PhotoObjects) -> list[str | None]:
        """Writes the photo without each of its objects; returns the names of the files, None for what was left in."""
        files: list[str | None] = []
        for part in objects.parts:
            file = f"{name}_without_{part.name}.png"
            file = f"{name}_without_{part.name}_{len(files) + 1}.png" if file in files else file
            files.append(None if part.picture is None else file)
            if part.picture is not None:
                with replaced(self.folder / file) as partial:
                    image_of(part.picture).save(partial, "PNG")
        return files

    def _unused(self, stem: str) -> str:
        """The stem, numbered where an earlier photo of another format had the same one."""
        taken, number = stem, 1
        while (self.folder / f"{taken}.npz").exists():
            taken, number = f"{stem}_{number}", number + 1
        return taken


def resolution(size: Sequence[int], views: Sequence[View]) -> tuple[float, float]:
    """Counts the pixels, height and width, that an encoder sees of a whole photo, by the finest of its views.

    Args:
        size: height and width of the encoder's input.
        views: what the input shows of the photo.
    """
    seen = [
        [(view.part[axis + 2] - view.part[axis]) / (view.box[axis + 2] - view.box[axis]) for axis in (1, 0)]
        for view in views
    ]
    return max(shares[0] for shares in seen) * size[0], max(shares[1] for shares in seen) * size[1]


def stored(maps: Mapping[str, Array]) -> dict[str, Array]:
    """Returns the arrays of a file of maps (T, H, W): float16, of which many a map's values would be too small.

    So each word's map is divided by its largest magnitude, which is stored too, as `<method>_largest` (T,) float32.
    """
    arrays: dict[str, Array] = {}
    for method, values in maps.items():
        largest = np.abs(values).max((1, 2), initial=0).astype(np.float32)
        arrays[method] = (values / np.where(largest > 0, largest, 1)[:, None, None]).astype(np.float16)
        arrays[f"{method}{_LARGEST}"] = largest
    return arrays


def read_maps(path: Path) -> dict[str, Array]:
    """Reads the maps of a photo, method → (T, H, W) float32, each within 1/2000 of the word's largest value."""
    with np.load(path) as arrays:
        methods = [name for name in arrays if f"{name}{_LARGEST}" in arrays]
        return {name: arrays[name] * arrays[f"{name}{_LARGEST}"][:, None, None] for name in methods}


_LARGEST = "_largest"


def shown_of(photo: Image.Image, sentence: Sentence, explanations: Mapping[str, MethodMaps]) -> ExplainedPhoto:
    """Photo and maps as they are shown: small, and the maps a little blurred."""
    small = photo.copy()
    small.thumbnail((DRAWN, DRAWN))
    size = small.height, small.width
    return ExplainedPhoto(
        image=np.asarray(small) / 255,
        said=sentence.said,
        read=sentence.read,
        context_lengths=sentence.context_lengths,
        maps={name: soften(to_photo(values.maps, size)) for name, values in explanations.items()},
        signed=frozenset(name for name, values in explanations.items() if values.signed),
        words={
            name: values.words for name, values in explanations.items() if values.words is not None and values.reads
        },
        sentinel=sentence.about.get("sentinel"),
        support=sentence.about.get("support"),
        remark=sentence.remark,
        uniform={name: values.uniform for name, values in explanations.items() if values.uniform is not None},
        shares=_shares(explanations, sentence.about.get("sentinel")),
    )


def _shares(explanations: Mapping[str, MethodMaps], sentinel: Sequence[float] | None) -> dict[str, Array]:
    """The shares of the words by method; where attention has a sentinel, each word's attention is parted by it."""
    shares = {name: values.shares for name, values in explanations.items() if values.shares is not None}
    if sentinel is not None and "attention" in explanations:
        shares["attention"] = attention_shares(sentinel)
    return shares


def _numbers(method_maps: MethodMaps) -> dict[str, Any]:
    """Relevance (T, S) of the words read and what is lost (T,), of the methods that know of them."""
    if method_maps.words is None or method_maps.residual is None:
        return {}
    pieces = {} if method_maps.pieces is None else {"pieces": method_maps.pieces.tolist()}
    return {"words": method_maps.words.tolist(), **pieces, "residual": method_maps.residual.tolist()}
