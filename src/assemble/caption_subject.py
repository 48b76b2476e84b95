"""A captioner that describes photos, or is asked why it would say a given caption."""

import torch
from PIL import Image

from src.attribution.attention import attend
from src.attribution.sentence import Sentence, said_tokens
from src.attribution.targets import Targets
from src.checkpoint import Checkpoint
from src.data.batch import CaptionBatch
from src.data.captions import words
from src.data.vocabulary import SPECIALS, START, Vocabulary
from src.decoding.decoder import Decoder
from src.errors import UserError
from src.models.captioner import Captioner
from src.tasks.writer import Writer


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
            reach=list(range(1, len(said) + 1)),
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
