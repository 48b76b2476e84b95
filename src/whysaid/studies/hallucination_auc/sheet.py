"""A few of the words that images do not support, with their maps by every method."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from whysaid.attribution.method import Explanation, Method, as_shown, speaks_against, uniform_share
from whysaid.figures.overlay import soften
from whysaid.figures.titles import title
from whysaid.figures.word_sheet import SheetWord, word_sheet
from whysaid.models.captioner import Captioner
from whysaid.studies.common.captioned import ObjectMention
from whysaid.studies.common.word_sample import Group


class HallucinatedSheet:
    """Keeps a few hallucinated words, each of all that are added with the same chance, and their maps.

    Args:
        size: words at most; 0 keeps none.
        seed: of the draw.
        methods: those that explain the words.
    """

    def __init__(self, size: int, seed: int, methods: Mapping[str, Method]):
        self.size, self.generator, self.methods = size, np.random.default_rng(seed), methods
        self.signed = frozenset(title(name) for name, method in methods.items() if speaks_against(method))
        self.words: list[SheetWord] = []
        self._added = 0

    def add(self, captioner: Captioner, group: Group, explained: Mapping[str, Explanation]) -> None:
        """Takes the hallucinated words of a group."""
        for mention in group.mentions:
            if mention.supported or not self.size:
                continue
            self._added += 1
            place = len(self.words) if self._added <= self.size else int(self.generator.integers(self._added))
            if place >= self.size:
                continue
            word = self._word(captioner, group, mention, explained)
            self.words[place : place + 1] = [word]

    def figures(self) -> dict[str, Figure]:
        """The figure `words`, where there is one to show."""
        return {"words": word_sheet(self.words)} if self.words else {}

    def _word(
        self, captioner: Captioner, group: Group, mention: ObjectMention, explained: Mapping[str, Explanation]
    ) -> SheetWord:
        photo = captioner.encoder.preprocessing.inverse(group.images[mention.row : mention.row + 1])[0]
        maps, at = {}, group.places.index(mention.place)
        uniform: dict[str, float] = {}
        for name, found in explained.items():
            pixels = as_shown(self.methods[name], found).pixels
            if name != "sentinel" and pixels is not None:
                maps[title(name)] = pixels[mention.row, at].detach().sum(0).float().cpu().numpy()
                neutral = uniform_share(self.methods[name], found)
                uniform |= {} if neutral is None else {title(name): neutral}
        return SheetWord(
            image=photo.permute(1, 2, 0).clamp(0, 1).float().cpu().numpy(),
            caption=group.captions[mention.row],
            place=mention.place if mention.index is None else mention.index,
            maps={method: soften(heat[None])[0] for method, heat in maps.items()},
            signed=self.signed,
            uniform=uniform,
        )
