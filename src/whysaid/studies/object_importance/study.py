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
from whysaid.data.annotated import read_instances
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.captions.stop_words import STOP_WORDS
from whysaid.data.files.table import TableValue
from whysaid.data.images import load_image
from whysaid.data.instances import Instance, Instances
from whysaid.data.scenes.removed import without
from whysaid.data.scenes.source import Scenes
from whysaid.errors import UserError
from whysaid.figures.attention_shift import attention_shift
from whysaid.figures.bars import bars
from whysaid.figures.importance_sheet import importance_sheet
from whysaid.metrics.localization import mass_accuracy
from whysaid.models.captioner import Captioner
from whysaid.studies.common.captioned import ObjectMention, drawn, require_pixels
from whysaid.studies.common.outcome import Outcome, counts_text
from whysaid.studies.common.word_maps import WordMaps
from whysaid.studies.common.word_sample import Group
from whysaid.studies.object_importance.trust import AREA, Removal, trust_bars, trust_table
from whysaid.tasks.writer import Writer


@dataclass
class StudiedPhoto:
    """One photo of the split, and for each object that was weighed the share of each method's positive relevance."""

    image_id: int
    effects: PhotoEffects
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
        chosen = {name: method for name, method in (methods or {}).items() if method is not None}
        self.maps = WordMaps(chosen, [name for name in by_magnitude if name in chosen]) if chosen else None

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: not a captioner of photos, or no photo has an object that can be removed."""
        if not isinstance(task, Writer):
            raise UserError("object importance compares captions: give ckpt= a captioner's checkpoint")
        captioner = task.single_captioner
        require_pixels(data, captioner)
        images = data.images(data.evaluated)
        instances = read_instances(images)
        outlined = {i for i, objects in instances.objects.items() if any(instance.segmentation for instance in objects)}
        places = [i for i, image in enumerate(images) if not outlined or image.id in outlined]
        chosen = [images[i] for i in drawn(places, self.images, self.seed)]
        photos = [
            self._look(task, data, image, instances if outlined else None)
            for image in tqdm(chosen, desc="removing objects", unit="photo", disable=None)
        ]
        if not any(photo.effects.removed for photo in photos):
            raise UserError(
                f"no photo has an object that can be removed ({_skipped_text(photos)}): change importance.smallest or "
                "importance.largest of the study, or raise study.images"
            )
        return self._outcome(photos, data)

    def _look(
        self, task: Writer, data: CaptionData, image: CaptionedImage, instances: Instances | None
    ) -> StudiedPhoto:
        objects = None if instances is None else instances.objects.get(image.id, [])
        source = data.source
        truth: Truth | None = partial(_drawn_without, source, image.id) if isinstance(source, Scenes) else None
        photo = load_image(image.path)
        effects = self.importance(task, photo, objects, truth)
        return StudiedPhoto(image.id, effects, self._masses(task.single_captioner, effects))

    def _masses(self, captioner: Captioner, photo: PhotoEffects) -> list[dict[str, float]]:
        """For each object and method the share of the positive relevance that lies on the object: mean over the words
        that are no stop words, or over all where there are no others."""
        words, removed = photo.original.words, photo.removed
        if self.maps is None or not words or not removed:
            return [{} for _ in removed]
        mentions = [
            ObjectMention(0, place, word, "", True) for place, word in enumerate(words) if word not in STOP_WORDS
        ]
        mentions = mentions or [ObjectMention(0, place, word, "", True) for place, word in enumerate(words)]
        tokens = photo.original.tokens[None]
        pixels = captioner.encoder.preprocessing(Image.fromarray(photo.pixels)).unsqueeze(0).to(tokens.device)
        batch = CaptionBatch(torch.zeros(1, dtype=torch.int64), tokens[:, None], pixels)
        group = Group(batch, tokens, [words], mentions)
        heat = {name: maps.double().numpy() for name, maps in self.maps(captioner, group).items()}
        masks = [effect.instance.mask(pixels.shape[-1]) for effect in removed]
        return [{name: float(mass_accuracy(maps, mask).mean()) for name, maps in heat.items()} for mask in masks]

    def _outcome(self, photos: list[StudiedPhoto], data: CaptionData) -> Outcome:
        pairs = [(photo, *both) for photo in photos for both in zip(photo.effects.removed, photo.masses, strict=True)]
        objects, images = [effect for _, effect, _ in pairs], [photo.image_id for photo, _, _ in pairs]
        names = sorted(objects[0].changes, key=lambda name: name != TRUE)  # the truth first
        removals = {name: _removal(name, photos) for name in names}
        methods = [] if self.maps is None else self.maps.names
        masses = {name: np.array([mass.get(name, 0.0) for _, _, mass in pairs]) for name in methods}
        area = np.array([effect.share for effect in objects])
        rows = trust_table(names[0], removals, masses, area, images, self.seed)
        shown = [photo_objects(photo.effects) for photo in photos if photo.effects.removed][: self.shown]
        split = data.evaluated
        note = (
            "Spearman's rank correlation with the importance of objects, as the distance of captions and as the loss "
            f"of the caption's log-probability; {AREA}: the object's share of the photo. {len(objects)} objects in "
            f"{len(set(images))} photos; lines: 95 % intervals, bootstrap over photos."
        )
        return Outcome(
            rows=rows,
            metrics=_metrics(rows, split),
            figures={
                "": importance_sheet(shown),
                "attention": attention_shift(shown),
                "trust": bars(trust_bars(rows), f"rank correlation with {names[0]}", AREA, note),
            },
            tables={"objects": [row for photo in photos for row in self._rows(photo, names, methods)]},
            notes=[
                f"{len(objects)} objects in {len(set(images))} photos; rho: Spearman's, with importance by {names[0]}, "
                "by the captions' distance and by the loss of the original caption's log-probability; intervals: "
                "95 %, bootstrap over photos.",
                f"Left in: {_skipped_text(photos)}.",
            ],
        )

    def _rows(self, studied: StudiedPhoto, names: Sequence[str], methods: Sequence[str]) -> list[dict[str, TableValue]]:
        """A row for each object, skipped ones too: what was said before and without it, and how far that is."""
        masses = iter(studied.masses)
        rows: list[dict[str, TableValue]] = []
        for effect, row in zip(studied.effects.objects, table_rows(studied.effects, names), strict=True):
            mass = {} if effect.skipped else next(masses)
            rows.append(
                {"image_id": studied.image_id, "id": effect.instance.id}
                | row
                | {f"mass_{name}": mass.get(name) for name in methods}
            )
        return rows


def _removal(name: str, photos: Sequence[StudiedPhoto]) -> Removal:
    effects = [studied.effects for studied in photos]
    changes = [(photo.original.words, effect.changes[name]) for photo in effects for effect in photo.removed]
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


def _drawn_without(source: Scenes, image_id: int, instance: Instance) -> Image.Image:
    return Image.fromarray(without(source, image_id, instance.id))


def _skipped_text(photos: Sequence[StudiedPhoto]) -> str:
    """The numbers of skipped objects, by reason, as text."""
    reasons = Counter(effect.skipped for studied in photos for effect in studied.effects.objects if effect.skipped)
    return counts_text(dict(reasons.most_common()))
