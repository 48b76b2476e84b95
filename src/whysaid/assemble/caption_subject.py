"""A captioner that describes photos, or is asked why it would say a given caption."""

import torch
from PIL import Image

from whysaid.attribution.looking.attention import attend
from whysaid.attribution.sentence import Sentence, said_tokens
from whysaid.attribution.targets import Targets
from whysaid.checkpoint import Checkpoint
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import words
from whysaid.data.vocabulary import SPECIALS, START, Vocabulary
from whysaid.decoding.decoder import Decoder
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.tasks.writer import Writer


class CaptionSubject:
    """See `Subject`.

    Args:
        captioner: in evaluation mode; its encoder has a grid.
        checkpoint: where it comes from.
        decoding: how it writes.
        caption: the sentence to explain, or None for what it writes.

    Raises UserError: the encoder takes no photos, or the caption is empty or has a word that the captioner lacks.
    """

    def __init__(self, captioner: Captioner, checkpoint: Checkpoint, decoding: Decoder, caption: str | None = None):
        if captioner.encoder.grid is None:
            raise UserError(f"{checkpoint.path} sees regions, not photos: explain a captioner with another encoder")
        self.model, self.checkpoint = captioner, checkpoint
        self.writer = Writer(captioner, checkpoint.vocabulary, decoding)
        self.given = None if caption is None else known_words(caption, checkpoint.vocabulary)

    def look(self, photo: Image.Image) -> Sentence:
        """Raises UserError where the captioner writes nothing."""
        pixels = self.model.encoder.preprocessing(photo).unsqueeze(0)
        batch = CaptionBatch(torch.zeros(1, dtype=torch.int64), torch.zeros(1, 1, 2, dtype=torch.int64), images=pixels)
        vocabulary = self.writer.vocabulary
        with torch.no_grad():
            said = self.given or self.writer.caption(batch)[0].split()
        if not said:
            raise UserError("the captioner writes an empty caption: give one as caption=, or train it longer")
        (attended,) = attend(self.model, batch, [said], vocabulary)
        return Sentence(
            batch,
            Targets(said_tokens([said], vocabulary)),
            said,
            read=[SPECIALS[START], *said[:-1]],
            context_lengths=list(range(1, len(said) + 1)),
            beside={"attention": attended.maps},
            about={} if attended.sentinel is None else {"sentinel": attended.sentinel},
        )


def known_words(caption: str, vocabulary: Vocabulary) -> list[str]:
    """The words of a caption; UserError where it has none, or one that the captioner does not know."""
    found = words(caption)
    unknown = [word for word in found if word not in vocabulary]
    if unknown or not found:
        what = f"the word {unknown[0]!r} is not in the captioner's vocabulary" if unknown else "the caption is empty"
        raise UserError(f"{what}: use words that its training captions hold")
    return found
