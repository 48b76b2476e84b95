"""A captioner that writes: all that evaluation needs, and what training builds on."""

from typing import Any

import pytorch_lightning as pl

from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import Vocabulary
from whysaid.decoding.decoder import Decoder, with_vocabulary
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.ensemble import Ensemble


class Writer(pl.LightningModule):
    """Decodes freely, never under teacher forcing; steps return `{"captions": {image id: caption}}`.

    Args:
        captioner: the model, or an ensemble.
        vocabulary: words of its indices.
        decoding: how captions are written.
    """

    def __init__(self, captioner: Captioner | Ensemble, vocabulary: Vocabulary, decoding: Decoder):
        super().__init__()
        self.captioner, self.vocabulary = captioner, vocabulary
        self.decoding = with_vocabulary(decoding, vocabulary)

    @property
    def single_captioner(self) -> Captioner:
        """The captioner whose words can be explained. Raises UserError where the model is an ensemble."""
        if not isinstance(self.captioner, Captioner):
            raise UserError("studies explain one captioner, not an ensemble: give ckpt= one checkpoint")
        return self.captioner

    def validation_step(self, batch: CaptionBatch, batch_idx: int) -> dict[str, Any]:
        return {"captions": self.caption(batch)}

    def test_step(self, batch: CaptionBatch, batch_idx: int) -> dict[str, Any]:
        return {"captions": self.caption(batch)}

    def caption(self, batch: CaptionBatch) -> dict[int, str]:
        """Writes the best caption that `decoding` finds of each image: image id → caption."""
        decoded = self.decoding(self.captioner, self.captioner.features(batch))
        best = decoded.tokens[:, 0].tolist()
        captions = (" ".join(self.vocabulary.decode(tokens)) for tokens in best)
        return dict(zip(batch.image_ids.tolist(), captions, strict=True))
