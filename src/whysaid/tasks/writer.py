"""A captioner that writes: all that evaluation needs, and what training builds on."""

from typing import Any

import pytorch_lightning as pl

from whysaid.attribution.support.evidence import read_evidence
from whysaid.attribution.support.words import ObjectSupport
from whysaid.data.batch import CaptionBatch, Pictured
from whysaid.data.vocabulary import Vocabulary
from whysaid.decoding.decoder import Decoded, Decoder, describe, with_vocabulary
from whysaid.decoding.support.known import with_support
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.ensemble import Ensemble


class Writer(pl.LightningModule):
    """Decodes freely, never under teacher forcing; steps return `{"captions": {image id: caption}}`.

    Where support is known, that of a test has `support` beside it: image id → the objects that the caption names.

    Args:
        captioner: the model, or an ensemble.
        vocabulary: words of its indices.
        decoding: how captions are written; it may go by the support.
        support: says how likely it is that the objects which captions name are there; None does not.
    """

    def __init__(
        self,
        captioner: Captioner | Ensemble,
        vocabulary: Vocabulary,
        decoding: Decoder,
        support: ObjectSupport | None = None,
    ):
        super().__init__()
        self.captioner, self.vocabulary, self.support = captioner, vocabulary, support
        self.decoding = with_support(with_vocabulary(decoding, vocabulary), support, vocabulary)

    @property
    def single_captioner(self) -> Captioner:
        """The captioner whose words can be explained. Raises UserError where the model is an ensemble."""
        if not isinstance(self.captioner, Captioner):
            raise UserError("studies explain one captioner, not an ensemble: give ckpt= one checkpoint")
        return self.captioner

    def validation_step(self, batch: CaptionBatch, batch_idx: int) -> dict[str, Any]:
        return {"captions": self.caption(batch)}

    def test_step(self, batch: CaptionBatch, batch_idx: int) -> dict[str, Any]:
        decoded, features = self.describe(batch)
        outputs: dict[str, Any] = {"captions": self.captions(batch, decoded)}
        if self.support is not None:
            tokens, probe = decoded.tokens[:, 0], self.support.probe
            reading = read_evidence(self.single_captioner, features, tokens, probe)
            outputs["support"] = {
                image_id: self.support.of_objects(caption.split(), reading.of_row(row))
                for row, (image_id, caption) in enumerate(outputs["captions"].items())
            }
        return outputs

    def caption(self, batch: CaptionBatch) -> dict[int, str]:
        """Writes the best caption that `decoding` finds of each image: image id → caption."""
        decoded, _ = self.describe(batch)
        return self.captions(batch, decoded)

    def captions(self, batch: CaptionBatch, decoded: Decoded) -> dict[int, str]:
        """Reads the first caption that was decoded of each image: image id → caption."""
        captions = (" ".join(self.vocabulary.decode(tokens)) for tokens in decoded.tokens[:, 0].tolist())
        return dict(zip(batch.image_ids.tolist(), captions, strict=True))

    def describe(self, batch: Pictured) -> tuple[Decoded, Any]:
        """Gives the captions that `decoding` finds of B pictures, and the features of these pictures."""
        return describe(self.decoding, self.captioner, batch)
