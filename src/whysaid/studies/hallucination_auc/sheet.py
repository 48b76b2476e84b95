"""A few of the words that images do not support, with their maps by every method."""

from collections.abc import Collection, Mapping

import numpy as np
from matplotlib.figure import Figure

from whysaid.attribution.method import Explanation
from whysaid.figures.overlay import soften
from whysaid.figures.titles import title
from whysaid.figures.word_sheet import SheetWord, word_sheet
from whysaid.models.captioner import Captioner
from whysaid.studies.common.captioned import CaptionedBatch, ObjectMention
from whysaid.studies.common.word_maps import Group


class HallucinatedSheet:
    """Keeps a few hallucinated words, each of all that are added with the same chance, and their maps.

    Args:
        size: words at most; 0 keeps none.
        seed: of the draw.
        signed: the methods whose maps may speak against a word.
    """

    def __init__(self, size: int, seed: int, signed: Collection[str] = ()):
        self.size, self.generator, self.signed = size, np.random.default_rng(seed), frozenset(map(title, signed))
        self.words: list[SheetWord] = []
        self._seen = 0

    def add(
        self, captioner: Captioner, group: Group, explained: Mapping[str, Explanation], written: CaptionedBatch
    ) -> None:
        """Takes the hallucinated words of a group of `written`."""
        for name in group.named:
            if name.supported or not self.size:
                continue
            self._seen += 1
            place = len(self.words) if self._seen <= self.size else int(self.generator.integers(self._seen))
            if place >= self.size:
                continue
            word = self._word(captioner, group, name, explained, written)
            self.words[place : place + 1] = [word]

    def figures(self) -> dict[str, Figure]:
        """`words`, where there is one to show."""
        return {"words": word_sheet(self.words)} if self.words else {}

    def _word(
        self,
        captioner: Captioner,
        group: Group,
        name: ObjectMention,
        explained: Mapping[str, Explanation],
        written: CaptionedBatch,
    ) -> SheetWord:
        image_id = group.batch.image_ids.tolist()[name.row]
        photo = captioner.encoder.preprocessing.inverse(group.images[name.row : name.row + 1])[0]
        maps, at = {}, group.places.index(name.place)
        for method, explanation in explained.items():
            if method != "sentinel" and explanation.pixels is not None:
                maps[title(method)] = explanation.pixels[name.row, at].detach().sum(0).float().cpu().numpy()
        return SheetWord(
            image=photo.permute(1, 2, 0).clamp(0, 1).float().cpu().numpy(),
            caption=written.captions[written.ids.index(image_id)],
            place=name.place,
            maps={method: soften(heat[None])[0] for method, heat in maps.items()},
            signed=self.signed,
        )
