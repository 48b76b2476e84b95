"""A captioner that describes photos, or is asked why it would say a given caption."""

from functools import partial

import torch
from PIL import Image

from whysaid.assemble.subject import Look, Subject
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


class CaptionSubject(Subject):
    """A captioner, and how it writes.

    Args:
        captioner: in evaluation mode; its encoder has a grid.
        checkpoint: where it comes from.
        decoding: how it writes.

    Raises:
        UserError: the encoder takes no photos.
    """

    kind = "captioner"
    options = ("caption",)

    def __init__(self, captioner: Captioner, checkpoint: Checkpoint, decoding: Decoder):
        if captioner.encoder.grid is None:
            raise UserError(f"{checkpoint.path} sees regions, not photos: explain a captioner with another encoder")
        self.model: Captioner = captioner
        self.checkpoint = checkpoint
        self._writer = Writer(captioner, checkpoint.vocabulary, decoding)

    @property
    def writer(self) -> Writer:
        return self._writer

    def asking(self, caption: str | None = None) -> Look:  # type: ignore[override]
        """Returns what captions a photo or, where a caption is given, is told to say that caption of it.

        Raises:
            UserError: the caption is empty or has a word that the captioner lacks; and, when a photo is looked at, the
                captioner writes nothing.
        """
        return partial(self._look, None if caption is None else known_words(caption, self.checkpoint.vocabulary))

    def _look(self, caption: list[str] | None, photo: Image.Image) -> Sentence:
        pixels = self.model.encoder.preprocessing(photo).unsqueeze(0)
        batch = CaptionBatch(torch.zeros(1, dtype=torch.int64), torch.zeros(1, 1, 2, dtype=torch.int64), images=pixels)
        vocabulary = self.writer.vocabulary
        with torch.no_grad():
            words = caption or self.writer.caption(batch)[0].split()
        if not words:
            raise UserError("the captioner writes an empty caption: give one as caption=, or train it longer")
        (attended,) = attend(self.model, batch, [words], vocabulary)
        return Sentence(
            batch,
            Targets(said_tokens([words], vocabulary)),
            words,
            read=[SPECIALS[START], *words[:-1]],
            context_lengths=list(range(1, len(words) + 1)),
            beside={"attention": attended.maps},
            about={} if attended.sentinel is None else {"sentinel": attended.sentinel},
        )


def known_words(caption: str, vocabulary: Vocabulary) -> list[str]:
    """The words of a caption; UserError where it has none, or one that the captioner does not know."""
    own = words(caption)
    unknown = [word for word in own if word not in vocabulary]
    if unknown or not own:
        what = f"the word {unknown[0]!r} is not in the captioner's vocabulary" if unknown else "the caption is empty"
        raise UserError(f"{what}: use words that its training captions hold")
    return own
