"""What each word of the model's own captions rests on in the image, by any attribution method."""

import logging
from collections.abc import Sequence
from functools import partial

from whysaid.attribution.method import Method, speaks_against
from whysaid.attribution.sentence import image_maps, said_tokens
from whysaid.attribution.targets import Targets
from whysaid.callbacks.first_captions import FirstCaptions
from whysaid.callbacks.first_images import Strip
from whysaid.data.batch import CaptionBatch
from whysaid.errors import UserError
from whysaid.figures.overlay import soften
from whysaid.figures.word_strip import word_strip
from whysaid.tasks.captioning import Captioning

log = logging.getLogger(__name__)


class HeatMaps(FirstCaptions):
    """Draws the relevance of the first validation images for the words of their captions: `val/heat_maps`.

    It is that of the pixels or, where features stand in for them, that of the encoder's regions. A method that fails is
    reported once and costs no run.

    Args:
        folder: the run directory.
        method: of `whysaid.attribution`.
        images: the first so many of the first validation batch.
        words: the first so many of each caption.
        every_n_epochs: see `FirstImages`.
        same_range: one colour range for all words of a caption rather than one for each.
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
        self._failed = False

    def strips(self, pl_module: Captioning, batch: CaptionBatch, captions: Sequence[list[str]]) -> Sequence[Strip]:
        said = [caption[: self.words] for caption in captions]
        if self._failed or not any(said):
            return []
        tokens = said_tokens(said, pl_module.vocabulary)
        try:
            explanation = self.method.attribute(pl_module.captioner, batch, Targets(tokens))
        except UserError as error:
            self._failed = True
            log.warning("heat maps are not drawn: %s", error)
            return []
        maps = image_maps(explanation, pl_module.captioner.encoder.grid)
        return [
            partial(
                word_strip,
                words=words,
                maps=soften(own[: len(words)]),
                signed=speaks_against(self.method),
                quantity="relevance",
                same_range=self.same_range,
            )
            for words, own in zip(said, maps, strict=True)
        ]
