"""Do explanations lie on the objects that words name? Eq. 9 and Fig. 3 of Sun et al. 2020.

M methods, K thresholds, N objects of one category in an image, H, W pixels.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from whysaid.attribution.method import Method
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.table import TableValue
from whysaid.data.instances import Instance, Instances, read_instances
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
from whysaid.studies.common.captioned import named_objects, object_words, require_pixels, write
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.statistics import compare, mean_interval
from whysaid.studies.common.word_maps import Group, WordMaps, groups
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
        self.images, self.words, self.against, self.seed = images, words, against, seed
        self.thresholds = np.arange(thresholds) / thresholds
        self.batch_size, self.at_once = batch_size, at_once

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
        found = list(islice(self._located(task, data, instances, skipped), self.words))
        if not found:
            raise UserError(
                f"no object word stands in both a caption and its references beside a box ({_told(skipped)}): "
                "raise study.images, or evaluate a captioner that has learned more"
            )
        return self._outcome(found, data, skipped)

    def _located(
        self, task: Writer, data: CaptionData, instances: Instances, skipped: Counter[str]
    ) -> Iterator[Located]:
        captioner, table = task.single_captioner, object_words(data)
        covered = [image_id for image_id, categories in instances.covered.items() if categories]
        skipped["images without annotations"] = sum(i.id not in instances.covered for i in data.images(data.evaluated))
        for written in write(task, data, self.images, self.seed, self.batch_size, covered):
            looked_at = []
            for name in named_objects(written, table):
                image_id = written.ids[name.row]
                if not name.supported:
                    skipped["words that no reference supports"] += 1
                elif name.category not in instances.covered.get(image_id, ()):
                    skipped["words whose category is not annotated in their image"] += 1
                elif not instances.of(image_id, name.category):
                    skipped["words whose object has no box"] += 1
                else:
                    looked_at.append(name)
            for group in groups(written, looked_at, self.at_once):
                yield from self._measure(captioner, group, instances)

    def _measure(self, captioner: Captioner, group: Group, instances: Instances) -> Iterator[Located]:
        heat = self.maps(captioner, group)
        heat[UNIFORM] = torch.ones(len(group.named), *group.images.shape[-2:])
        maps = torch.stack(list(heat.values()), 1)
        for name, image_id, word_maps in zip(group.named, group.ids(), maps, strict=True):
            yield self.locate(image_id, name.word, word_maps, instances.of(image_id, name.category))

    def locate(self, image_id: int, word: str, maps: Tensor, objects: list[Instance]) -> Located:
        """One word: its maps (M, H, W) with H = W, and all objects of its category."""
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

    def _outcome(self, found: list[Located], data: CaptionData, skipped: Counter[str]) -> Outcome:
        names, split = [*self.maps.names, UNIFORM], data.evaluated
        images = [word.image_id for word in found]
        first = {name: np.array([word.correctness[m, 0] for word in found]) for m, name in enumerate(names)}
        reference = self.against if self.against in first else max(self.maps.names, key=lambda name: first[name].mean())
        p = compare(first, reference, images)
        rows = [self._row(name, m, found, p[name]) for m, name in enumerate(names)]
        notes = [
            f"{len(found)} words in {len(set(images))} images; intervals: 95 %, bootstrap over images; "
            f"p: Wilcoxon on correctness against {reference}, Holm-corrected.",
            f"Left out: {_told(skipped)}.",
        ]
        return Outcome(
            rows=rows,
            metrics={f"{split}/localization_{row['method']}": float(row["correctness"] or 0) for row in rows}
            | {f"{split}/pointing_game_{row['method']}": float(row["pointing"] or 0) for row in rows},
            figures={"": self._figure(found, names, reference)},
            details={
                "thresholds": self.thresholds.tolist(),
                "curves": _curves(found, names),
                "words": _words(found, names),
            },
            notes=notes,
        )

    def _row(self, name: str, m: int, found: list[Located], p: float | None) -> dict[str, TableValue]:
        images = [word.image_id for word in found]

        def mean(values: list[float]) -> float:
            return float(np.mean(values))

        return {
            "method": name,
            "words": len(found),
            **mean_interval([word.correctness[m, 0] for word in found], images, self.seed).columns("correctness"),
            "p": p,
            "best_box": mean([word.best_box[m, 0] for word in found]),
            "negative": mean([word.negative[m, 0] for word in found])
            if any(w.any_negative[m] for w in found)
            else None,
            **mean_interval([word.pointing[m] for word in found], images, self.seed).columns("pointing"),
            **mean_interval([word.mass[m] for word in found], images, self.seed).columns("mass"),
            **mean_interval([word.rank[m] for word in found], images, self.seed).columns("rank"),
        }

    def _figure(self, found: list[Located], names: list[str], reference: str) -> Figure:
        """Fig. 3: the positive and the negative part of every map; the band is the interval of the reference."""
        images, lines, against = [word.image_id for word in found], [], []
        for m, name in enumerate(names):
            mean = np.mean([word.correctness[m] for word in found], 0)
            lines.append(Curve(name, mean, reference=name == UNIFORM))
            if name == reference:
                at = (mean_interval([w.correctness[m, k] for w in found], images, self.seed) for k in range(len(mean)))
                _, low, high = zip(*at, strict=True)
                lines[-1] = Curve(name, mean, low, high)
            if any(word.any_negative[m] for word in found):
                against.append(Curve(name, np.mean([word.negative[m] for word in found], 0)))
        panels = {f"For the word ({len(found)} object words)": (self.thresholds, lines)}
        if against:
            panels["Against the word"] = (self.thresholds, [*against, lines[-1]])
        return curves(panels, "threshold of the normalised map", "correctness")


def _curves(found: list[Located], names: list[str]) -> dict[str, dict[str, list[float]]]:
    kinds = ("correctness", "best_box", "negative")
    return {
        name: {kind: np.mean([getattr(word, kind)[m] for word in found], 0).tolist() for kind in kinds}
        for m, name in enumerate(names)
    }


def _words(found: list[Located], names: list[str]) -> list[dict[str, object]]:
    return [
        {
            "image_id": word.image_id,
            "word": word.word,
            "correctness": dict(zip(names, word.correctness[:, 0].tolist(), strict=True)),
        }
        for word in found
    ]


def _told(skipped: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in skipped.items() if count) or "nothing"
