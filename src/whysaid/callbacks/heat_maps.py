"""Draws what each word of the model's own captions rests on in the image, by any attribution method."""

import logging
from collections.abc import Sequence
from functools import partial

from whysaid.attribution.method import Method, as_shown, speaks_against, uniform_share
from whysaid.attribution.sentence import amounts, image_maps, said_tokens
from whysaid.attribution.targets import Targets
from whysaid.callbacks.first_captions import CaptionStrip, FirstCaptions
from whysaid.data.batch import CaptionBatch
from whysaid.errors import UserError
from whysaid.figures.overlay import soften
from whysaid.figures.titles import title_of
from whysaid.figures.word_strip import word_strip
from whysaid.tasks.captioning import Captioning

log = logging.getLogger(__name__)


class HeatMaps(FirstCaptions):
    """Draws the relevance of the first validation images for the words of their captions: `val/heat_maps`.

    The relevance is that of the pixels or, where the batch holds features instead of pixels, that of the encoder's
    regions. A method that fails is reported once and does not end the run.

    Args:
        folder: the run directory.
        method: an attribution method of `whysaid.attribution`.
        images: how many images of the first validation batch are drawn, from the first on.
        words: how many words of each caption are explained, from the first on.
        every_n_epochs: epochs of training between two drawings.
        same_range: whether all words of a caption have one colour range, rather than one each.
    """

    def __init__(
        self,
        folder: str,
        method: Method,
        images: int = 2,
        words: int = 12,
        every_n_epochs: int = 2,
        same_range: bool = False,
    ):
        super().__init__("heat_maps", folder, images, every_n_epochs)
        self.method, self.words, self.same_range = method, words, same_range
        self.shows = f"{title_of(method)}, what each word rests on"
        self._failed = False

    def strips(
        self, pl_module: Captioning, batch: CaptionBatch, captions: Sequence[list[str]]
    ) -> Sequence[CaptionStrip]:
        explained = [caption[: self.words] for caption in captions]
        if self._failed or not any(explained):
            return []
        tokens = said_tokens(explained, pl_module.vocabulary)
        try:
            explanation = as_shown(self.method, self.method.attribute(pl_module.captioner, batch, Targets(tokens)))
        except UserError as error:
            self._failed = True
            log.warning("heat maps are not drawn: %s", error)
            return []
        maps = image_maps(explanation, pl_module.captioner.encoder)
        uniform, sums = uniform_share(self.method, explanation), amounts(self.method, explanation)
        return [
            partial(
                word_strip,
                words=words,
                maps=soften(caption_maps[: len(words)]),
                signed=speaks_against(self.method),
                quantity=title_of(self.method),
                same_range=self.same_range,
                uniform=uniform,
                shares=None if uniform else of_words[: len(words)] / (of_words[: len(words)].sum() or 1.0),
            )
            for words, caption_maps, of_words in zip(explained, maps, sums, strict=True)
        ]
