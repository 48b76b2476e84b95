"""Does a word disappear with the patches that an explanation calls relevant?

After the published code of Sun et al. 2020. M methods, N ways to change an image, S words, P patches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whysaid.attribution.method import Method
from whysaid.data.batch import Pictures
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.files.table import TableValue
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.figures.bars import bars
from whysaid.metrics.faithfulness import first_patches, ranked_patches, require_patches, without_patches
from whysaid.studies.common.captioned import ObjectMention, named_objects, object_words, require_pixels
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.probability import probability
from whysaid.studies.common.statistics import LINES, compare, mean_interval
from whysaid.studies.common.word_maps import RANDOM, WordMaps, require_reference
from whysaid.studies.common.word_sample import Group, WordSample
from whysaid.tasks.writer import Writer


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
        self.maps = WordMaps(methods, by_magnitude, against)
        self.sample = WordSample(images, words, batch_size, at_once, seed)
        self.patches, self.patch, self.draws, self.supported = patches, patch, draws, supported
        self.against = require_reference(against, self.maps.names)
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
        table = object_words(data)
        generator = torch.Generator().manual_seed(self.sample.seed)
        word_groups = self.sample.groups(
            task,
            data,
            lambda captioned: [
                mention for mention in named_objects(captioned, table) if mention.supported or not self.supported
            ],
        )
        patched = self.sample.first(self._patched(task, table, group, generator) for group in word_groups)
        if not patched:
            raise UserError(
                "no caption has an object word to explain: raise study.images, or set study.supported=false"
            )
        return self._outcome(patched, data.evaluated, total)

    def _patched(self, task: Writer, table: ObjectWords, group: Group, generator: torch.Generator) -> Iterator[Patched]:
        heat = self.maps(task.single_captioner, group)
        rankings = {name: ranked_patches(maps, self.patch, generator) for name, maps in heat.items()}
        for i, (mention, image_id) in enumerate(zip(group.mentions, group.ids(), strict=True)):
            orders = [ranking[i] for ranking in rankings.values()]
            orders += [torch.randperm(len(orders[0]), generator=generator) for _ in range(self.draws)]
            removed = torch.cat([first_patches(order, torch.tensor([self.patches])) for order in orders])
            yield self.measure(task, table, group, mention, image_id, removed)

    def measure(
        self, task: Writer, table: ObjectWords, group: Group, mention: ObjectMention, image_id: int, removed: Tensor
    ) -> Patched:
        """Measures one word, with patches (M + draws, P) bool taken away: those of each method, then the random
        ones."""
        captioner = task.single_captioner
        image, tokens = group.images[mention.row], group.tokens[mention.row]
        with torch.no_grad():
            decoded, features = task.describe(
                Pictures(torch.cat([image[None], without_patches(image, removed, self.patch)]))
            )
            said = decoded.tokens[1:, 0].tolist()
        p = probability(captioner, features, tokens, mention.place).tolist()
        captions = [task.vocabulary.decode(row) for row in said]
        return Patched(
            image_id,
            mention.word,
            p[0],
            self._named([float(mention.word not in words) for words in captions]),
            self._named([float(mention.category not in table.mentioned(" ".join(words))) for words in captions]),
            self._named([p[0] - after for after in p[1:]]),
        )

    def _named(self, values: list[float]) -> dict[str, float]:
        number = len(self.maps.names)
        return dict(zip(self.maps.names, values[:number], strict=True)) | {RANDOM: float(np.mean(values[number:]))}

    def _outcome(self, patched: list[Patched], split: str, total: int) -> Outcome:
        images, names = [word.image_id for word in patched], [*self.maps.names, RANDOM]
        p = compare({name: [word.fall[name] for word in patched] for name in names}, self.against, images)
        rows: list[dict[str, TableValue]] = [
            {
                "method": name,
                "words": len(patched),
                **mean_interval([word.gone[name] for word in patched], images, self.sample.seed).columns("gone"),
                **mean_interval([word.unmentioned[name] for word in patched], images, self.sample.seed).columns(
                    "unmentioned"
                ),
                **mean_interval([word.fall[name] for word in patched], images, self.sample.seed).columns("fall"),
                "p": p[name],
            }
            for name in names
        ]
        shown = {
            what: {str(row["method"]): (row[key], row[f"{key}_low"], row[f"{key}_high"]) for row in rows}
            for what, key in {"word gone": "gone", "object unmentioned": "unmentioned", "fall of p": "fall"}.items()
        }
        note = (
            f"What happens to an object word when the {self.patches} most relevant patches get the mean colour: the "
            "share of captions that lose it, or every word for its object, and the fall of its probability; "
            f"{RANDOM}: any {self.patches}. {len(patched)} words in {len(set(images))} images; {LINES}"
        )
        return Outcome(
            rows=rows,
            metrics={f"{split}/patch_ablation_{row['method']}": float(row["gone"] or 0) for row in rows}
            | {f"{split}/patch_ablation_fall_{row['method']}": float(row["fall"] or 0) for row in rows},
            figures={"": bars(shown, f"{self.patches} of {total} patches taken", RANDOM, note)},  # type: ignore[arg-type]
            details={"words": [vars(word) for word in patched]},
            notes=[
                f"{len(patched)} object words in {len(set(images))} images, {self.patches} of {total} patches of "
                f"{self.patch} pixels set to the mean colour.",
                "gone: the new caption lacks the word; unmentioned: and every other word for the object; fall: of the "
                f"word's probability in the same context, from {np.mean([word.p for word in patched]):.3f}.",
                f"{RANDOM}: the mean over {self.draws} draws for each word. Intervals: 95 %, bootstrap over images; "
                f"p: Wilcoxon on fall against {self.against}, Holm-corrected.",
            ],
        )
