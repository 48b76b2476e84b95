"""Do explanations lie on the objects that words name? Eq. 9 and Fig. 3 of Sun et al. 2020.

M methods, K thresholds, N objects of one category in an image, H, W pixels.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from whysaid.attribution.method import Method
from whysaid.attribution.sentence import to_photo
from whysaid.data.annotated import read_instances
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.table import TableValue
from whysaid.data.instances import Instance, Instances
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.figures.curves import Curve, curves
from whysaid.metrics.localization import (
    Region,
    best_correctness,
    correctness,
    mass_accuracy,
    pointing_game,
    rank_accuracy,
)
from whysaid.models.captioner import Captioner
from whysaid.studies.common.captioned import (
    CaptionedBatch,
    ObjectMention,
    named_objects,
    object_words,
    require_pixels,
)
from whysaid.studies.common.outcome import Outcome, counts_text
from whysaid.studies.common.statistics import BANDS, compare, mean_bands, mean_interval
from whysaid.studies.common.word_maps import WordMaps
from whysaid.studies.common.word_sample import Group, WordSample
from whysaid.tasks.writer import Writer

Array = NDArray[np.floating]

UNIFORM = "uniform"
"""The baseline: a map with the same value everywhere, which scores the object's share of the image."""


@dataclass(frozen=True)
class Located:
    """How well the M maps of one word find its object.

    correctness, best_box, negative: (M, K) Eq. 9 in the union of the boxes, in the best single box, and of the negative
    part. pointing, mass, rank: (M,). any_negative: (M,) whether the map has a negative part.
    """

    image_id: int
    word: str
    correctness: Array
    best_box: Array
    negative: Array
    pointing: Array
    mass: Array
    rank: Array
    any_negative: Region


class Localization:
    """Explains object words that the captioner says and a reference says too, where boxes of the object are annotated.

    Args:
        methods: name → method.
        images: annotated images looked at, drawn by `seed`; None takes all of the split.
        words: stop after so many words; None goes on to the last image.
        against: the method that all others are tested against; None is the one with the highest correctness.
        thresholds: K, equally spaced from 0 below 1; paper: 0 … 0.9.
        batch_size: images captioned at once.
        at_once: images explained at once.
        seed: of the draw of images and of bootstrap intervals.
    """

    def __init__(
        self,
        methods: Mapping[str, Method | None],
        images: int | None = 200,
        words: int | None = None,
        against: str | None = "lrp",
        thresholds: int = 10,
        batch_size: int = 20,
        at_once: int = 1,
        seed: int = 0,
    ):
        self.maps = WordMaps(methods)
        self.sample = WordSample(images, words, batch_size, at_once, seed)
        self.against, self.thresholds = against, np.arange(thresholds) / thresholds

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: no boxes, or no word that can be looked at."""
        require_pixels(data, task.single_captioner)
        instances = read_instances(data.images(data.evaluated))
        if not instances.covered:
            raise UserError(
                f"no boxes are annotated for the {data.evaluated} images of {data.name}: localization needs "
                "annotations/instances_*.json beside the captions"
            )
        skipped: Counter[str] = Counter()
        covered = [image_id for image_id, categories in instances.covered.items() if categories]
        skipped["images without annotations"] = sum(i.id not in instances.covered for i in data.images(data.evaluated))
        choose = partial(_locatable, object_words(data), instances, skipped)
        word_groups = self.sample.groups(task, data, choose, covered)
        located = self.sample.first(self._measure(task.single_captioner, group, instances) for group in word_groups)
        if not located:
            raise UserError(
                f"no object word stands in both a caption and its references beside a box ({counts_text(skipped)}): "
                "raise study.images, or evaluate a captioner that has learned more"
            )
        return self._outcome(located, data, skipped)

    def _measure(self, captioner: Captioner, group: Group, instances: Instances) -> Iterator[Located]:
        heat = self.maps(captioner, group)
        heat[UNIFORM] = torch.ones(len(group.mentions), *group.images.shape[-2:])
        maps = torch.stack(list(heat.values()), 1)
        for mention, image_id, word_maps in zip(group.mentions, group.ids(), maps, strict=True):
            objects = instances.of(image_id, mention.category)
            height, width = objects[0].size
            views = captioner.encoder.preprocessing.views(width, height)
            side = captioner.encoder.preprocessing.size
            square = to_photo(word_maps.numpy(), (side, side), views)  # of the whole photo, as boxes are of it
            yield self.locate(image_id, mention.word, torch.from_numpy(square), objects)

    def locate(self, image_id: int, word: str, maps: Tensor, objects: list[Instance]) -> Located:
        """Measures one word, from its maps (M, H, W) with H = W, and all objects of its category."""
        side, heat = maps.shape[-1], maps.double().numpy()
        boxes = np.stack([instance.boxed(side) for instance in objects])
        union: Region = np.any(boxes, 0)
        mask: Region = np.any(np.stack([instance.mask(side) for instance in objects]), 0)
        return Located(
            image_id,
            word,
            correctness(heat, union, self.thresholds),
            best_correctness(heat, boxes, self.thresholds),
            correctness(-heat, union, self.thresholds),
            pointing_game(heat, union),
            mass_accuracy(heat, mask),
            rank_accuracy(heat, mask),
            np.any(heat < 0, (1, 2)),
        )

    def _outcome(self, located: list[Located], data: CaptionData, skipped: Counter[str]) -> Outcome:
        names, split = [*self.maps.names, UNIFORM], data.evaluated
        images = [word.image_id for word in located]
        first = {name: np.array([word.correctness[m, 0] for word in located]) for m, name in enumerate(names)}
        reference = self.against if self.against in first else max(self.maps.names, key=lambda name: first[name].mean())
        p = compare(first, reference, images)
        rows = [self._row(name, m, located, p[name]) for m, name in enumerate(names)]
        notes = [
            f"{len(located)} words in {len(set(images))} images; intervals: 95 %, bootstrap over images; "
            f"p: Wilcoxon on correctness against {reference}, Holm-corrected.",
            f"Left out: {counts_text(skipped)}.",
        ]
        return Outcome(
            rows=rows,
            metrics={f"{split}/localization_{row['method']}": float(row["correctness"] or 0) for row in rows}
            | {f"{split}/pointing_game_{row['method']}": float(row["pointing"] or 0) for row in rows},
            figures={"": self._figure(located, names)},
            details={
                "thresholds": self.thresholds.tolist(),
                "curves": _curves(located, names),
                "words": _words(located, names),
            },
            notes=notes,
        )

    def _row(self, name: str, m: int, located: list[Located], p: float | None) -> dict[str, TableValue]:
        images, negative = [word.image_id for word in located], any(word.any_negative[m] for word in located)

        def mean(values: list[float]) -> float:
            return float(np.mean(values))

        def interval(column: str, values: list[float]) -> dict[str, float]:
            return mean_interval(values, images, self.sample.seed).columns(column)

        return {
            "method": name,
            "words": len(located),
            **interval("correctness", [word.correctness[m, 0] for word in located]),
            "p": p,
            "best_box": mean([word.best_box[m, 0] for word in located]),
            "negative": mean([word.negative[m, 0] for word in located]) if negative else None,
            **interval("pointing", [word.pointing[m] for word in located]),
            **interval("mass", [word.mass[m] for word in located]),
            **interval("rank", [word.rank[m] for word in located]),
        }

    def _figure(self, located: list[Located], names: list[str]) -> Figure:
        """Draws Fig. 3: the positive and the negative part of every map, with their intervals."""
        images, lines, against = [word.image_id for word in located], [], []
        for m, name in enumerate(names):
            bands = mean_bands([word.correctness[m] for word in located], images, self.sample.seed)
            lines.append(Curve(name, *bands, reference=name == UNIFORM))
            if any(word.any_negative[m] for word in located):
                bands = mean_bands([word.negative[m] for word in located], images, self.sample.seed)
                against.append(Curve(name, *bands))
        panels = {f"For the word ({len(located)} object words)": (self.thresholds, lines)}
        if against:
            panels["Against the word"] = (self.thresholds, [*against, lines[-1]])
        note = (
            "correctness: the share of a map, of what is above the threshold, that lies inside the boxes of the object "
            f"which the word names; {UNIFORM}: the share that these boxes have of the image. {len(located)} words in "
            f"{len(set(images))} images; {BANDS}"
        )
        return curves(panels, "threshold of the normalised map", "correctness", note=note)


def _locatable(
    table: ObjectWords, instances: Instances, skipped: Counter[str], captioned: CaptionedBatch
) -> list[ObjectMention]:
    """The words of a batch that a reference supports and whose object has a box; counts the others in `skipped`."""
    mentions = []
    for mention in named_objects(captioned, table):
        image_id = captioned.ids[mention.row]
        if not mention.supported:
            skipped["words that no reference supports"] += 1
        elif mention.category not in instances.covered.get(image_id, ()):
            skipped["words whose category is not annotated in their image"] += 1
        elif not instances.of(image_id, mention.category):
            skipped["words whose object has no box"] += 1
        else:
            mentions.append(mention)
    return mentions


def _curves(located: list[Located], names: list[str]) -> dict[str, dict[str, list[float]]]:
    kinds = ("correctness", "best_box", "negative")
    return {
        name: {kind: np.mean([getattr(word, kind)[m] for word in located], 0).tolist() for kind in kinds}
        for m, name in enumerate(names)
    }


def _words(located: list[Located], names: list[str]) -> list[dict[str, object]]:
    return [
        {
            "image_id": word.image_id,
            "word": word.word,
            "correctness": dict(zip(names, word.correctness[:, 0].tolist(), strict=True)),
        }
        for word in located
    ]
