"""Do explanations tell what the model used? Deletion, insertion, model randomisation and sensitivity in one table.

M words, K steps of a curve, P patches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whysaid.attribution.method import Method
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.table import TableValue
from whysaid.errors import UserError
from whysaid.figures.curves import Curve, curves
from whysaid.metrics.faithfulness import area_under, first_patches, ranked_patches, require_patches, without_patches
from whysaid.models.captioner import Captioner
from whysaid.models.explainable import Explainable
from whysaid.studies.common.captioned import named_objects, object_words, require_pixels
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.probability import probability, project_images
from whysaid.studies.common.statistics import BANDS, compare, mean_bands, mean_interval
from whysaid.studies.common.word_maps import RANDOM, WordMaps, require_reference
from whysaid.studies.common.word_sample import Group, WordSample
from whysaid.studies.faithfulness.sanity import CASCADING, INDEPENDENT, SENSITIVITY, Checked, Kept, Sanity
from whysaid.tasks.writer import Writer

Array = NDArray[np.floating]

DELETION, INSERTION = "deletion", "insertion"


@dataclass(frozen=True)
class Curves:
    """One word: method → its probability (K,) as patches are deleted, or inserted, the most relevant first."""

    image_id: int
    deletion: dict[str, Array]
    insertion: dict[str, Array]


class Faithfulness:
    """Measures every method on the object words of the captioner's own captions.

    Deletion: patches are set to the mean colour, the most relevant first, and the word's probability is asked for in
    the same context; insertion begins with the mean colour alone (Petsiuk et al. 2018). The areas under both curves are
    given: low deletion and high insertion are good.

    Args:
        methods: name → method.
        by_magnitude: names of the methods whose relevance counts by |value|, see `WordMaps`.
        sanity: model randomisation and sensitivity of the first words, or None.
        images: drawn by `seed`; None takes all of the split.
        words: stop after so many object words; None goes on to the last image.
        steps: equal steps of a curve, K − 1.
        patch: side in pixels.
        against: the method that deletion and insertion of all others are tested against.
        batch_size: images captioned, and changed images seen, at once.
        at_once: images explained at once.
        seed: of the draws of images, random orders and bootstrap intervals.
    """

    def __init__(
        self,
        methods: Mapping[str, Method | None],
        by_magnitude: Sequence[str] = (),
        sanity: Sanity | None = None,
        images: int | None = 50,
        words: int | None = None,
        steps: int = 20,
        patch: int = 8,
        against: str = RANDOM,
        batch_size: int = 32,
        at_once: int = 1,
        seed: int = 0,
    ):
        self.maps, self.sanity = WordMaps(methods, by_magnitude, against), sanity
        self.sample = WordSample(images, words, batch_size, at_once, seed)
        self.steps, self.patch = steps, patch
        if steps < 1:
            raise UserError(f"study.steps={steps}: a curve has at least one step")
        self.against = require_reference(against, self.maps.names)

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: patches do not fill the image, or no caption has an object word."""
        captioner, kept = task.single_captioner, Kept()
        require_pixels(data, captioner)
        require_patches(captioner.encoder.preprocessing.size, captioner.encoder.preprocessing.size, self.patch)
        generator, table = torch.Generator().manual_seed(self.sample.seed), object_words(data)
        word_groups = self.sample.groups(task, data, lambda captioned: named_objects(captioned, table))
        words = self.sample.first(self._measured(captioner, group, kept, generator) for group in word_groups)
        if not words:
            raise UserError("no caption has an object word to explain: raise study.images, or train the captioner more")
        checked = self.sanity.check(self.maps, captioner, kept) if self.sanity else None
        return self._outcome(words, checked, data.evaluated)

    def _measured(self, captioner: Captioner, group: Group, kept: Kept, generator: torch.Generator) -> Iterator[Curves]:
        """The curves of every word of a group; the first groups are also put into `kept`."""
        maps = self.maps(captioner, group)
        if self.sanity and sum(len(before.mentions) for before, _ in kept) < self.sanity.words:
            kept.append((group, maps))
        yield from self.measure(captioner, group, maps, generator)

    def measure(
        self, model: Explainable, group: Group, maps: Mapping[str, Tensor], generator: torch.Generator
    ) -> Iterator[Curves]:
        """The curves of a group's words, from maps (words, H, W) of each method."""
        rankings = {name: ranked_patches(heat, self.patch, generator) for name, heat in maps.items()}
        rankings[RANDOM] = ranked_patches(torch.zeros_like(next(iter(maps.values()))), self.patch, generator)
        counts = torch.linspace(0, rankings[RANDOM].shape[1], self.steps + 1).round().long()
        for i, (mention, image_id) in enumerate(zip(group.mentions, group.ids(), strict=True)):
            gone = {name: first_patches(ranking[i], counts) for name, ranking in rankings.items()}
            removed = torch.cat([part for first in gone.values() for part in (first, ~first)])
            altered = without_patches(group.images[mention.row], removed, self.patch)
            p = self._probabilities(model, altered, group.tokens[mention.row], mention.place).reshape(len(gone), 2, -1)
            yield Curves(image_id, dict(zip(gone, p[:, 0], strict=True)), dict(zip(gone, p[:, 1], strict=True)))

    def _probabilities(self, model: Explainable, images: Tensor, tokens: Tensor, place: int) -> Array:
        """(N,) of one word, `batch_size` changed images at a time."""
        parts = [
            probability(model, project_images(model, part), tokens, place)
            for part in images.split(self.sample.batch_size)
        ]
        return torch.cat(parts).double().cpu().numpy()

    def _outcome(self, words: list[Curves], checked: Checked | None, split: str) -> Outcome:
        images, names = [word.image_id for word in words], [*self.maps.names, RANDOM]
        measured = {
            DELETION: {name: np.array([word.deletion[name] for word in words]) for name in names},
            INSERTION: {name: np.array([word.insertion[name] for word in words]) for name in names},
        }
        rows: list[dict[str, TableValue]] = [{"method": name, "words": len(words)} for name in names]
        for kind, all_curves in measured.items():
            areas = {name: area_under(curve) for name, curve in all_curves.items()}
            p = compare(areas, self.against, images)
            for row, name in zip(rows, names, strict=True):
                row |= mean_interval(areas[name], images, self.sample.seed).columns(kind) | {f"{kind}_p": p[name]}
        if checked:
            rows = [row | checked.row(str(row["method"])) for row in rows]
        means = {kind: {n: c.mean(0).tolist() for n, c in lines.items()} for kind, lines in measured.items()}
        titles = {DELETION: "Deletion: lower is better", INSERTION: "Insertion: higher is better"}
        share = np.linspace(0, 1, self.steps + 1)
        panels = {
            titles[kind]: (
                share,
                [
                    Curve(n, *mean_bands(curve, images, self.sample.seed), reference=n == RANDOM)
                    for n, curve in lines.items()
                ],
            )
            for kind, lines in measured.items()
        }
        note = (
            "The word's probability as patches are taken from the image (deletion), or given to its mean colour "
            f"(insertion), in the order of each method. {len(words)} object words in {len(set(images))} images; {BANDS}"
        )
        shown = (DELETION, INSERTION, CASCADING, INDEPENDENT, SENSITIVITY)
        return Outcome(
            rows=rows,
            metrics={
                f"{split}/{kind}_{row['method']}": float(value)
                for row in rows
                for kind in shown
                if (value := row.get(kind)) is not None
            },
            figures={"": curves(panels, "share of patches, most relevant first", "probability of the word", note=note)}
            | ({"randomisation": checked.figure()} if checked else {}),
            details={"curves": means} | (checked.details() if checked else {}),
            notes=[*self._notes(images), *([checked.note()] if checked else [])],
        )

    def _notes(self, images: list[int]) -> list[str]:
        notes = [
            f"{len(images)} object words in {len(set(images))} images. deletion, insertion: area under the word's "
            f"probability as patches of {self.patch} pixels are taken from the image, or given to its mean colour; "
            f"p: Wilcoxon against {self.against}, Holm-corrected; intervals: 95 %, bootstrap over images."
        ]
        if self.maps.by_magnitude:
            notes.append(f"By |relevance|: {', '.join(self.maps.by_magnitude)}.")
        return notes
