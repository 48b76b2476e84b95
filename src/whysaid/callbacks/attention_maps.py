"""Draws where the model looked as it wrote each word of its own captions."""

from collections.abc import Sequence
from functools import partial

from whysaid.attribution.looking.attention import attend
from whysaid.callbacks.first_captions import CaptionStrip, FirstCaptions
from whysaid.data.batch import CaptionBatch
from whysaid.figures.share_bar import attention_shares
from whysaid.figures.word_strip import word_strip
from whysaid.tasks.captioning import Captioning


class AttentionMaps(FirstCaptions):
    """Draws the attention of every word of the captions of the first validation images: `val/attention`.

    Args:
        folder: the run directory.
        images: how many images of the first validation batch are drawn, from the first on.
        every_n_epochs: epochs of training between two drawings.
    """

    shows = "Attention, where the model looked for each word"

    def __init__(self, folder: str, images: int = 4, every_n_epochs: int = 1):
        super().__init__("attention", folder, images, every_n_epochs)

    def strips(
        self, pl_module: Captioning, batch: CaptionBatch, captions: Sequence[list[str]]
    ) -> Sequence[CaptionStrip]:
        attended = attend(pl_module.captioner, batch, list(captions), pl_module.vocabulary)
        return [
            partial(
                word_strip,
                words=caption.words,
                maps=caption.maps,
                sentinel=caption.sentinel,
                uniform=1 / caption.maps[0].size if len(caption.maps) else None,
                shares=None if caption.sentinel is None else attention_shares(caption.sentinel),
            )
            for caption in attended
        ]
