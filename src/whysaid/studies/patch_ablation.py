"""Does a word disappear with the patches that an explanation calls relevant?

After the published code of Sun et al. 2020. M methods, N ways to change an image, S words, P patches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whysaid.attribution.method import Method
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.table import TableValue
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.figures.bars import bars
from whysaid.metrics.faithfulness import first_patches, ranked_patches, require_patches, without_patches
from whysaid.studies.common.captioned import (
    ObjectMention,
    named_objects,
    object_words,
    require_pixels,
    write,
)
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.probability import probability
from whysaid.studies.common.statistics import compare, mean_interval
from whysaid.studies.common.word_maps import Group, WordMaps, groups
from whysaid.tasks.writer import Writer

RANDOM = "random"


@dataclass(frozen=True)
class Patched:
    """One word. Each is method → number, of `random` the mean over draws.

    gone: 1 where the new caption lacks the word. unmentioned: 1 where it mentions its category by no word at all.
    fall: probability in the same context before, less after. p: before.
    """

    image_id: int
    word: str
    p: float
    gone: dict[str, float]
    unmentioned: dict[str, float]
    fall: dict[str, float]


class PatchAblation:
    """Sets the most relevant patches to the image's mean colour, captions again, and asks for the word.

    Args:
        methods: name → method.
        by_magnitude: names of the methods whose relevance counts by |value|, see `WordMaps`.
        images: drawn by `seed`; None takes all of the split.
        words: stop after so many object words; None goes on to the last image.
        patches: that are taken; the published code: 20.
        patch: side in pixels; the published code: 8.
        draws: sets of as many random patches, for the baseline.
        supported: only words whose object a reference mentions too.
        against: the method that all others are tested against.
        batch_size: images captioned at once.
        at_once: images explained at once.
        seed: of the draws of images, of random patches and of bootstrap intervals.
    """

    def __init__(
        self,
        methods: Mapping[str, Method | None],
        by_magnitude: Sequence[str] = (),
        images: int | None = 200,
        words: int | None = None,
        patches: int = 20,
        patch: int = 8,
        draws: int = 5,
        supported: bool = True,
        against: str = RANDOM,
        batch_size: int = 20,
        at_once: int = 1,
        seed: int = 0,
    ):
        self.maps = WordMaps(methods, by_magnitude)
        self.images, self.words, self.patches, self.patch, self.draws = images, words, patches, patch, draws
        self.supported, self.against, self.batch_size, self.at_once = supported, against, batch_size, at_once
        self.seed = seed
        if against not in (*self.maps.names, RANDOM):
            raise UserError(
                f"study.against={against} is not among study.methods: {', '.join(self.maps.names)} or {RANDOM}"
            )
        if patches < 1 or draws < 1:
            raise UserError(f"patch ablation needs patches ≥ 1 and draws ≥ 1, not {patches} and {draws}")

    def __call__(self, task: Writer, data: CaptionData, folder: Path) -> Outcome:
        """Raises UserError: patches do not fit the image, or no caption has an object word."""
        captioner = task.single_captioner
        require_pixels(data, captioner)
        side = captioner.encoder.preprocessing.size
        require_patches(side, side, self.patch)
        total = (side // self.patch) ** 2
        if self.patches >= total:
            raise UserError(
                f"there are only {total} patches of {self.patch} pixels: take fewer than study.patches={self.patches}"
            )
        found = list(islice(self._patched(task, data), self.words))
        if not found:
            raise UserError(
                "no caption has an object word to explain: raise study.images, or set study.supported=false"
            )
        return self._outcome(found, data.evaluated, total)

    def _patched(self, task: Writer, data: CaptionData) -> Iterator[Patched]:
        captioner, table = task.single_captioner, object_words(data)
        generator = torch.Generator().manual_seed(self.seed)
        for written in write(task, data, self.images, self.seed, self.batch_size):
            named = [name for name in named_objects(written, table) if name.supported or not self.supported]
            for group in groups(written, named, self.at_once):
                heat = self.maps(captioner, group)
                rankings = {name: ranked_patches(maps, self.patch, generator) for name, maps in heat.items()}
                for i, (name, image_id) in enumerate(zip(group.named, group.ids(), strict=True)):
                    orders = [ranking[i] for ranking in rankings.values()]
                    orders += [torch.randperm(len(orders[0]), generator=generator) for _ in range(self.draws)]
                    removed = torch.cat([first_patches(order, torch.tensor([self.patches])) for order in orders])
                    yield self.measure(task, table, group, name, image_id, removed)

    def measure(
        self, task: Writer, table: ObjectWords, group: Group, name: ObjectMention, image_id: int, removed: Tensor
    ) -> Patched:
        """One word, with patches (M + draws, P) bool taken away: those of each method, then the random ones."""
        captioner = task.single_captioner
        image, tokens = group.images[name.row], group.tokens[name.row]
        with torch.no_grad():
            features = captioner.encode(torch.cat([image[None], without_patches(image, removed, self.patch)]))
            said = task.decoding(captioner, features).tokens[1:, 0].tolist()
        p = probability(captioner, features, tokens, name.place).tolist()
        captions = [task.vocabulary.decode(row) for row in said]
        return Patched(
            image_id,
            name.word,
            p[0],
            self._named([float(name.word not in words) for words in captions]),
            self._named([float(name.category not in table.mentioned(" ".join(words))) for words in captions]),
            self._named([p[0] - after for after in p[1:]]),
        )

    def _named(self, values: list[float]) -> dict[str, float]:
        number = len(self.maps.names)
        return dict(zip(self.maps.names, values[:number], strict=True)) | {RANDOM: float(np.mean(values[number:]))}

    def _outcome(self, found: list[Patched], split: str, total: int) -> Outcome:
        images, names = [word.image_id for word in found], [*self.maps.names, RANDOM]
        p = compare({name: [word.fall[name] for word in found] for name in names}, self.against, images)
        rows: list[dict[str, TableValue]] = [
            {
                "method": name,
                "words": len(found),
                **mean_interval([word.gone[name] for word in found], images, self.seed).columns("gone"),
                **mean_interval([word.unmentioned[name] for word in found], images, self.seed).columns("unmentioned"),
                **mean_interval([word.fall[name] for word in found], images, self.seed).columns("fall"),
                "p": p[name],
            }
            for name in names
        ]
        shown = {
            what: {str(row["method"]): (row[key], row[f"{key}_low"], row[f"{key}_high"]) for row in rows}
            for what, key in {"word gone": "gone", "object unmentioned": "unmentioned", "fall of p": "fall"}.items()
        }
        return Outcome(
            rows=rows,
            metrics={f"{split}/patch_ablation_{row['method']}": float(row["gone"] or 0) for row in rows}
            | {f"{split}/patch_ablation_fall_{row['method']}": float(row["fall"] or 0) for row in rows},
            figures={"": bars(shown, f"{self.patches} of {total} patches taken", RANDOM)},  # type: ignore[arg-type]
            details={"words": [vars(word) for word in found]},
            notes=[
                f"{len(found)} object words in {len(set(images))} images, {self.patches} of {total} patches of "
                f"{self.patch} pixels set to the mean colour.",
                "gone: the new caption lacks the word; unmentioned: and every other word for the object; fall: of the "
                f"word's probability in the same context, from {np.mean([word.p for word in found]):.3f}.",
                f"{RANDOM}: the mean over {self.draws} draws for each word. Intervals: 95 %, bootstrap over images; "
                f"p: Wilcoxon on fall against {self.against}, Holm-corrected.",
            ],
        )
