"""How much does a caption depend on each object (Fosado et al.), and which explanation knows? The latter is ours.

M words, N objects, S side of the encoder's square, pixels.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from whysaid.attribution.method import Method
from whysaid.counterfactual.importance import TRUE, Importance, PhotoEffects, Truth
from whysaid.counterfactual.view import photo_objects, table_rows
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.captions.stop_words import STOP_WORDS
from whysaid.data.files.table import TableValue
from whysaid.data.images import load_image
from whysaid.data.instances import Instance, Instances, read_instances
from whysaid.data.scenes.removed import without
from whysaid.data.scenes.source import Scenes
from whysaid.errors import UserError
from whysaid.figures.attention_shift import attention_shift
from whysaid.figures.bars import bars
from whysaid.figures.importance_sheet import importance_sheet
from whysaid.metrics.localization import mass_accuracy
from whysaid.models.captioner import Captioner
from whysaid.studies.common.captioned import ObjectMention, drawn, require_pixels
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.word_maps import Group, WordMaps
from whysaid.studies.object_importance.trust import AREA, Removal, trust_bars, trust_table
from whysaid.tasks.writer import Writer


@dataclass
class StudiedPhoto:
    """One photo of the split, and for each object that was weighed the share of each method's positive relevance."""

    image_id: int
    photo: PhotoEffects
    masses: list[dict[str, float]]


class ObjectImportance:
    """Weighs the objects of a split's photos, and compares attributions with that.

    Importance by an inpainter, and the relevance that a method finds on an object, are compared with the importance by
    true removal where the data set can draw its pictures without any one object (Scenes), and otherwise with that by
    the first inpainter.

    Args:
        importance: weighs the objects of one photo.
        methods: name → attribution method, or None to leave it out; none at all is allowed.
        by_magnitude: names of the methods of which |values| are taken.
        images: photos, drawn by `seed` among those with outlined objects, or among all where there are none of these;
            None takes all.
        shown: photos in the figure.
        seed: of the draw of photos and of bootstrap intervals.
    """

    def __init__(
        self,
        importance: Importance,
        methods: Mapping[str, Method | None] | None = None,
        by_magnitude: Sequence[str] = (),
        images: int | None = 200,
        shown: int = 6,
        seed: int = 0,
    ):
        self.importance, self.images, self.shown, self.seed = importance, images, shown, seed
        given = {name: method for name, method in (methods or {}).items() if method is not None}
        self.maps = WordMaps(given, [name for name in by_magnitude if name in given]) if given else None

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: not a captioner of photos, or no photo has an object that can be removed."""
        if not isinstance(task, Writer):
            raise UserError("object importance compares captions: give ckpt= a captioner's checkpoint")
        captioner = task.single_captioner
        require_pixels(data, captioner)
        images = data.images(data.evaluated)
        instances = read_instances(images)
        outlined = {i for i, objects in instances.objects.items() if any(one.segmentation for one in objects)}
        places = [i for i, image in enumerate(images) if not outlined or image.id in outlined]
        chosen = [images[i] for i in drawn(places, self.images, self.seed)]
        found = [
            self._look(task, data, image, instances if outlined else None)
            for image in tqdm(chosen, desc="removing objects", unit="photo", disable=None)
        ]
        if not any(one.photo.weighed for one in found):
            raise UserError(
                f"no photo has an object that can be removed ({_told(found)}): change importance.smallest or "
                "importance.largest of the study, or raise study.images"
            )
        return self._outcome(found, data)

    def _look(
        self, task: Writer, data: CaptionData, image: CaptionedImage, instances: Instances | None
    ) -> StudiedPhoto:
        objects = None if instances is None else instances.objects.get(image.id, [])
        source = data.source
        truth: Truth | None = partial(_drawn_without, source, image.id) if isinstance(source, Scenes) else None
        photo = load_image(image.path)
        weighed = self.importance(task, photo, objects, truth)
        return StudiedPhoto(image.id, weighed, self._masses(task.single_captioner, weighed))

    def _masses(self, captioner: Captioner, photo: PhotoEffects) -> list[dict[str, float]]:
        """For each object and method the share of the positive relevance that lies on the object: mean over the words
        that are no stop words, or over all where there are no others."""
        words, removed = photo.told.words, photo.weighed
        if self.maps is None or not words or not removed:
            return [{} for _ in removed]
        named = [ObjectMention(0, place, word, "", True) for place, word in enumerate(words) if word not in STOP_WORDS]
        named = named or [ObjectMention(0, place, word, "", True) for place, word in enumerate(words)]
        tokens = photo.told.tokens[None]
        pixels = captioner.encoder.preprocessing(Image.fromarray(photo.pixels)).unsqueeze(0).to(tokens.device)
        batch = CaptionBatch(torch.zeros(1, dtype=torch.int64), tokens[:, None], pixels)
        heat = {name: maps.double().numpy() for name, maps in self.maps(captioner, Group(batch, tokens, named)).items()}
        masks = [one.instance.mask(pixels.shape[-1]) for one in removed]
        return [{name: float(mass_accuracy(maps, mask).mean()) for name, maps in heat.items()} for mask in masks]

    def _outcome(self, found: list[StudiedPhoto], data: CaptionData) -> Outcome:
        pairs = [(one, *both) for one in found for both in zip(one.photo.weighed, one.masses, strict=True)]
        objects, images = [weighed for _, weighed, _ in pairs], [one.image_id for one, _, _ in pairs]
        names = sorted(objects[0].changes, key=lambda name: name != TRUE)  # the truth first
        removals = {name: _removal(name, found) for name in names}
        methods = [] if self.maps is None else self.maps.names
        masses = {name: np.array([mass.get(name, 0.0) for _, _, mass in pairs]) for name in methods}
        area = np.array([one.share for one in objects])
        rows = trust_table(names[0], removals, masses, area, images, self.seed)
        shown = [photo_objects(one.photo) for one in found if one.photo.weighed][: self.shown]
        split = data.evaluated
        return Outcome(
            rows=rows,
            metrics=_metrics(rows, split),
            figures={
                "": importance_sheet(shown),
                "attention": attention_shift(shown),
                "trust": bars(trust_bars(rows), f"rank correlation with {names[0]}", AREA),
            },
            tables={"objects": [row for one in found for row in self._rows(one, names, methods)]},
            notes=[
                f"{len(objects)} objects in {len(set(images))} photos; rho: Spearman's, with importance by {names[0]}, "
                "by the captions' distance and by the loss of the original caption's log-probability; intervals: "
                "95 %, bootstrap over photos.",
                f"Left in: {_told(found)}.",
            ],
        )

    def _rows(self, found: StudiedPhoto, names: Sequence[str], methods: Sequence[str]) -> list[dict[str, TableValue]]:
        """A row for each object, skipped ones too: what was said before and without it, and how far that is."""
        masses = iter(found.masses)
        rows: list[dict[str, TableValue]] = []
        for one, row in zip(found.photo.objects, table_rows(found.photo, names), strict=True):
            mass = {} if one.skipped else next(masses)
            rows.append(
                {"image_id": found.image_id, "id": one.instance.id}
                | row
                | {f"mass_{name}": mass.get(name) for name in methods}
            )
        return rows


def _removal(name: str, found: Sequence[StudiedPhoto]) -> Removal:
    changes = [(one.photo.told.words, weighed.changes[name]) for one in found for weighed in one.photo.weighed]
    return Removal(
        np.array([change.distance for _, change in changes]),
        np.array([change.drop for _, change in changes]),
        np.array([change.words != said for said, change in changes]),
    )


def _metrics(rows: Sequence[Mapping[str, TableValue]], split: str) -> dict[str, float]:
    kinds = ("rho_distance", "rho_drop", "distance", "drop", "area_distance", "area_drop")
    return {
        f"{split}/importance_{kind}_{row['name']}": float(row[kind])  # type: ignore[arg-type]
        for row in rows
        for kind in kinds
        if row[kind] is not None
    }


def _drawn_without(source: Scenes, image_id: int, one: Instance) -> Image.Image:
    return Image.fromarray(without(source, image_id, one.id))


def _told(found: Sequence[StudiedPhoto]) -> str:
    """How many objects were skipped, and why."""
    reasons = Counter(one.skipped for photo in found for one in photo.photo.objects if one.skipped)
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "nothing"
