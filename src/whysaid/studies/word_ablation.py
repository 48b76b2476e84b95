"""Do the words that an explanation names contribute to a prediction? Table 2 of Sun et al. 2020.

B images, b of them, S words, t place of the explained word, D = 3 deleted words, N ways to delete them, M methods,
V vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whysaid.attribution.method import Method
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_fitting
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.captions.stop_words import STOP_WORDS
from whysaid.data.files.table import TableValue
from whysaid.decoding.shrink import keep_images
from whysaid.errors import UserError
from whysaid.figures.bars import bars
from whysaid.models.captioner import Captioner
from whysaid.studies.common.captioned import CaptionedBatch, ObjectMention, named_objects, object_words
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.probability import after_deletion
from whysaid.studies.common.statistics import LINES, compare, mean_interval
from whysaid.studies.common.word_maps import RANDOM, chosen_methods, leave_out_silent, require_known
from whysaid.studies.common.word_sample import WordSample
from whysaid.tasks.writer import Writer

STOP, CATEGORY = "stop words", "category words"

PAPER: dict[str, dict[str, tuple[float, float, float]]] = {
    "Adaptive": {STOP: (0.9032, 0.9025, 0.7832), CATEGORY: (0.9206, 0.9297, 0.8430)},
    "GridTD": {STOP: (0.7121, 0.7365, 0.1749), CATEGORY: (0.5487, 0.4804, 0.1176)},
}
"""Table 2 (COCO 2017, VGG16): captioner → kind of word → LRP, Grad*, random."""


@dataclass(frozen=True)
class Ablated:
    """One explained word. drops: method → 1 where its probability fell strictly; of `random`, the share of draws.

    falls: method → how much the probability fell, of `random` on average.
    """

    image_id: int
    place: int
    word: str
    kind: str
    drops: dict[str, float]
    falls: dict[str, float]


class WordAblation:
    """Deletes the most relevant of the words that were said before, and looks at the probability of the word.

    The sentence becomes shorter by them; `<start>` always stays. The random baseline deletes as many words of the very
    same candidates: the share over all ways to choose them, or over `draws` ways where there are more.

    Args:
        methods: name → method.
        by_magnitude: names of the methods whose relevance counts by |value|; the paper: all but LRP.
        images: drawn by `seed`; None takes all of the split.
        words: stop after so many words; None goes on to the last image.
        first: place of the first explained word; paper: 5, the sixth word.
        deleted: D; paper: 3.
        draws: ways to delete at random that are tried where there are more.
        batch_size: images captioned and explained at once.
        seed: of the draws of images, of deletions and of bootstrap intervals.
    """

    def __init__(
        self,
        methods: Mapping[str, Method | None],
        by_magnitude: Sequence[str] = (),
        images: int | None = 400,
        words: int | None = None,
        first: int = 5,
        deleted: int = 3,
        draws: int = 50,
        batch_size: int = 20,
        seed: int = 0,
    ):
        self.methods = chosen_methods(methods)
        self.by_magnitude = require_known(by_magnitude, self.methods)
        self.sample = WordSample(images, words, batch_size, batch_size, seed)
        self.first, self.deleted, self.draws = first, deleted, draws
        self._heard = False  # whether it is known which methods say something of words
        if not 1 <= deleted <= first:
            raise UserError(
                f"study.deleted={deleted} words cannot be taken from the {first} before the first explained word: "
                "lower it, or raise study.first"
            )

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: no caption is long enough."""
        captioner, table = task.single_captioner, object_words(data)
        generator = np.random.default_rng(self.sample.seed)
        ablated = self.sample.first(
            self.ablate(captioner, captioned, named_objects(captioned, table), generator)
            for captioned in self.sample.batches(task, data)
        )
        if not ablated:
            raise UserError(
                f"no caption has a stop word or an object word after its first {self.first} words: lower study.first"
            )
        return self._outcome(ablated, type(captioner).__name__, data.evaluated)

    def ablate(
        self,
        captioner: Captioner,
        captioned: CaptionedBatch,
        mentions: Sequence[ObjectMention],
        generator: np.random.Generator,
    ) -> Iterator[Ablated]:
        """Yields every stop word and object word of a batch from `first` on, place by place.

        Raises UserError where words are made of several tokens: which of them could be deleted?
        """
        if captioned.located is not None:
            raise UserError("words are deleted one by one, and this model writes pieces of words: ablate another model")
        objects = {(mention.row, mention.place) for mention in mentions}
        longest = max((len(words) for words in captioned.captions), default=0)
        if longest <= self.first:
            return
        targets = Targets(captioned.tokens[:, :longest], range(self.first, longest))
        explanations = attribute_fitting(self.methods, captioner, _regions(captioner, captioned.batch), targets)
        if not self._heard:
            leave_out_silent(self.methods, explanations)
            self._heard = True
        scores = {
            name: explanation.words.abs() if name in self.by_magnitude else explanation.words
            for name, explanation in explanations.items()
            if name in self.methods
        }
        inputs = targets.inputs()
        for i, place in enumerate(targets.places):
            rows = {row: _kind(words, row, place, objects) for row, words in enumerate(captioned.captions)}
            rows = {row: kind for row, kind in rows.items() if kind}
            if not rows:
                continue
            chosen = torch.tensor(list(rows), device=inputs.device)
            before, said = inputs[chosen, : place + 1], captioned.tokens[chosen, place]
            best = [self.most_relevant(score[chosen, i, 1 : place + 1]) for score in scores.values()]
            tried = torch.stack([*best, *self._random(place, len(rows), generator, inputs.device)], 1)
            p = after_deletion(captioner, keep_images(captioned.features, chosen), before, said, tried).cpu().numpy()
            whole = torch.zeros(len(rows), 1, 0, dtype=torch.int64, device=inputs.device)
            p0 = after_deletion(captioner, keep_images(captioned.features, chosen), before, said, whole).cpu().numpy()
            for (row, kind), now, then in zip(rows.items(), p, p0[:, 0], strict=True):
                word = captioned.captions[row][place]
                yield Ablated(captioned.ids[row], place, word, kind, *self._compared(now, then))

    def most_relevant(self, scores: Tensor) -> Tensor:
        """Turns relevance (b, t) of the candidates into the input indices (b, D) of the highest; index 0 is
        `<start>`."""
        return scores.topk(self.deleted, 1).indices + 1

    def _random(self, place: int, images: int, generator: np.random.Generator, device: torch.device) -> list[Tensor]:
        """N ways (b, D) to delete words that were said before `place`: all ways, or `draws` of them for each image."""
        if comb(place, self.deleted) <= self.draws:
            ways = np.array(list(combinations(range(1, place + 1), self.deleted)))
            return [torch.tensor(way, device=device).expand(images, -1) for way in ways]
        order = generator.random((self.draws, images, place)).argsort(-1)[..., : self.deleted] + 1
        return list(torch.tensor(order, device=device))

    def _compared(self, now: NDArray[np.floating], then: float) -> tuple[dict[str, float], dict[str, float]]:
        """drops and falls, from the probabilities (M + N,) after each deletion and the one before."""
        dropped, fall = (now < then).astype(float), (then - now).astype(float)
        number, drops, falls = len(self.methods), {}, {}
        for m, name in enumerate(self.methods):
            drops[name], falls[name] = float(dropped[m]), float(fall[m])
        return drops | {RANDOM: float(dropped[number:].mean())}, falls | {RANDOM: float(fall[number:].mean())}

    def _outcome(self, ablated: list[Ablated], captioner: str, split: str) -> Outcome:
        rows: list[dict[str, TableValue]] = []
        for kind in (STOP, CATEGORY):
            rows += self._rows(kind, [word for word in ablated if word.kind == kind], captioner)
        shown = {
            kind: {
                str(row["method"]): (row["drops"], row["drops_low"], row["drops_high"])
                for row in rows
                if row["kind"] == kind
            }
            for kind in dict.fromkeys(str(row["kind"]) for row in rows)
        }
        captions = len({word.image_id for word in ablated})
        note = (
            f"The share of words whose probability falls when the {self.deleted} most relevant words before them are "
            f"deleted; {RANDOM}: any {self.deleted}. {len(ablated)} words of {captions} captions; {LINES}"
        )
        return Outcome(
            rows=rows,
            metrics={
                f"{split}/word_ablation_{row['method']}_{str(row['kind']).replace(' ', '_')}": float(row["drops"] or 0)
                for row in rows
            },
            figures={"": bars(shown, "share of words less probable", RANDOM, note)},  # type: ignore[arg-type]
            details={"words": [vars(word) for word in ablated]},
            notes=[
                f"{len(ablated)} words of {captions} captions, from word {self.first + 1} on; "
                "drops: share of words whose probability falls strictly; fall: by how much on average.",
                f"{RANDOM}: {self.deleted} words of the same candidates, the mean over all ways to choose them where "
                f"these are at most {self.draws}, otherwise over {self.draws} of them.",
                f"Intervals: 95 %, bootstrap over images; p: Wilcoxon on drops against {RANDOM}, Holm-corrected; "
                "paper: Table 2 of Sun et al. 2020, COCO 2017 with VGG16.",
            ],
        )

    def _rows(self, kind: str, ablated: list[Ablated], captioner: str) -> Iterator[dict[str, TableValue]]:
        if not ablated:
            return
        images, names = [word.image_id for word in ablated], [*self.methods, RANDOM]
        drops = {name: [word.drops[name] for word in ablated] for name in names}
        p = compare(drops, RANDOM, images)
        for name in names:
            yield {
                "kind": kind,
                "method": name,
                "words": len(ablated),
                **mean_interval(drops[name], images, self.sample.seed).columns("drops"),
                "p": p[name],
                **mean_interval([word.falls[name] for word in ablated], images, self.sample.seed).columns("fall"),
                "paper": self._published(name, kind, captioner),
            }

    def _published(self, name: str, kind: str, captioner: str) -> float | None:
        """Table 2's value; its Grad* stands beside all methods that rank by magnitude."""
        if captioner not in PAPER or not (name in ("lrp", RANDOM) or name in self.by_magnitude):
            return None
        lrp, gradient, random = PAPER[captioner][kind]
        return {"lrp": lrp, RANDOM: random}.get(name, gradient)


def _kind(words: list[str], row: int, place: int, objects: set[tuple[int, int]]) -> str:
    """The kind of the word at a place: `CATEGORY`, `STOP`, or nothing."""
    if place >= len(words):
        return ""
    return CATEGORY if (row, place) in objects else STOP if words[place] in STOP_WORDS else ""


def _regions(captioner: Captioner, batch: CaptionBatch) -> CaptionBatch:
    """The batch with regions in place of pixels: the relevance of words is the same, and costs no encoder backward."""
    if batch.images is None:
        return batch
    with torch.no_grad():
        regions, mask = captioner.encoder(batch.images)
    return replace(batch, images=None, regions=regions, mask=mask)
