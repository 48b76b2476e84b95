"""What stays of explained photos: pictures, maps, numbers and one report.

T explained words, S words read, H × W pixels of a stored map.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from whysaid.attribution.sentence import MethodMaps, Sentence, to_photo
from whysaid.checkpoint import Checkpoint
from whysaid.counterfactual.importance import PhotoEffects
from whysaid.counterfactual.view import photo_objects, records, table_rows
from whysaid.data.files.digest import file_digest
from whysaid.data.files.table import TableValue, csv_text
from whysaid.data.files.whole import write_whole
from whysaid.figures.canvas import save
from whysaid.figures.explained import ExplainedPhoto, draw
from whysaid.figures.overlay import soften
from whysaid.report.page import ReportPage

DRAWN = 320
"""Pixels of the longer side of a photo in a figure."""


class Album:
    """Writes one explained photo after another into a run directory.

    `figures/<photo>_<method>.png`, `_words.png`, `_methods.png`, `_importance.png` and `_importance_attention.png`;
    `<photo>.npz`: a map (T, H, W) float32 for each method, in the photo's own upright coordinates times `scale`, which
    is 1 unless the photo is very large; after `finish`, `explanations.json`, `report.html` and, where objects were
    weighed, `importance.csv`, a row for each of them.

    Args:
        folder: the run directory.
        largest_map: pixels of the longer side of a stored map at most.
        same_range: in pictures, one colour range for all words of a photo rather than one for each.

    Attributes:
        records: of the photos so far, as they will stand in explanations.json.
        skipped: the others, and why.
    """

    def __init__(self, folder: Path, largest_map: int = 640, same_range: bool = False):
        self.folder, self.largest_map, self.same_range = folder, largest_map, same_range
        self.records: list[dict[str, Any]] = []
        self.skipped: list[str] = []
        self._objects: list[dict[str, TableValue]] = []
        self._methods: dict[str, None] = {}
        self._report = ReportPage(same_range)

    def map_size(self, photo: Image.Image) -> tuple[int, int]:
        """Height and width in which the photo's maps are stored."""
        scale = self._scale(photo)
        return max(1, round(photo.height * scale)), max(1, round(photo.width * scale))

    def _scale(self, photo: Image.Image) -> float:
        return min(1.0, self.largest_map / max(photo.size))

    def skip(self, message: str) -> None:
        """Notes a photo that is left out, and why."""
        self.skipped.append(message)

    def add(
        self,
        path: Path,
        photo: Image.Image,
        sentence: Sentence,
        found: Mapping[str, MethodMaps],
        weighed: PhotoEffects | None = None,
    ) -> None:
        """Draws and stores one photo; `found` has maps of `map_size`, `weighed` its objects where they were weighed."""
        name, shown = self._unused(path.stem), shown_of(photo, sentence, found)
        shown.parted = None if weighed is None else photo_objects(weighed)
        figures = draw(shown, self.same_range)
        for kind, figure in figures.items():
            save(figure, self.folder / "figures" / f"{name}_{kind}.png")
        maps: dict[str, Any] = {method: one.maps for method, one in found.items()}
        np.savez_compressed(self.folder / f"{name}.npz", **maps)
        self._report.add(path.name, photo, shown)
        if weighed is not None:
            self._objects += [{"image": str(path), **row} for row in table_rows(weighed, weighed.removals)]
        self._methods |= dict.fromkeys(found)
        self.records.append(
            {
                "image": str(path),
                "size": list(photo.size),
                "caption": " ".join(sentence.said),
                "words": sentence.said,
                "read": sentence.read,
                **sentence.about,
                **({} if weighed is None else {"objects": records(weighed)}),
                "relevance": {method: _numbers(one) for method, one in found.items()},
                "maps": f"{name}.npz",
                "scale": self._scale(photo),
                "figures": [f"figures/{name}_{kind}.png" for kind in figures],
            }
        )

    def finish(self, checkpoint: Checkpoint) -> None:
        """Writes explanations.json, report.html and, where there are any, the table of objects."""
        about = {
            "checkpoint": str(checkpoint.path),
            "sha256": file_digest(checkpoint.path),
            "methods": list(self._methods),
        }
        content = {**about, "explanations": self.records, "skipped": self.skipped}
        write_whole(self.folder / "explanations.json", json.dumps(content, indent=1) + "\n")
        number = f"{len(self.records)} photo{'s' if len(self.records) != 1 else ''}"
        source = f"{number}, explained by {checkpoint.path} (SHA-256 {about['sha256'][:12]}…)."
        if self._objects:
            write_whole(self.folder / "importance.csv", csv_text(self._objects))
        write_whole(self.folder / "report.html", self._report.page(source, self.skipped))

    def _unused(self, stem: str) -> str:
        """The stem, numbered where an earlier photo of another format had the same one."""
        taken, number = stem, 1
        while (self.folder / f"{taken}.npz").exists():
            taken, number = f"{stem}_{number}", number + 1
        return taken


def shown_of(photo: Image.Image, sentence: Sentence, found: Mapping[str, MethodMaps]) -> ExplainedPhoto:
    """Photo and maps as they are shown: small, and the maps a little blurred."""
    small = photo.copy()
    small.thumbnail((DRAWN, DRAWN))
    return ExplainedPhoto(
        image=np.asarray(small) / 255,
        said=sentence.said,
        read=sentence.read,
        context_lengths=sentence.context_lengths,
        maps={name: soften(to_photo(one.maps, (small.height, small.width))) for name, one in found.items()},
        signed=frozenset(name for name, one in found.items() if one.signed),
        words={name: one.words for name, one in found.items() if one.words is not None and one.reads},
        sentinel=sentence.about.get("sentinel"),
        remark=sentence.remark,
    )


def _numbers(found: MethodMaps) -> dict[str, Any]:
    """Relevance (T, S) of the words read and what is lost (T,), of the methods that know of them."""
    if found.words is None or found.residual is None:
        return {}
    return {"words": found.words.tolist(), "residual": found.residual.tolist()}
