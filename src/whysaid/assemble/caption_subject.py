"""A captioner that describes photos, or is asked why it would say a given caption."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from PIL import Image

from whysaid.assemble.subject import Look, Subject, words_of
from whysaid.attribution.looking.attention import attend
from whysaid.attribution.sentence import MethodMaps, Sentence, said_tokens
from whysaid.attribution.support.evidence import RELEVANCE, RELEVANCE_BY, Evidence, read_evidence
from whysaid.attribution.support.words import ObjectSupport
from whysaid.attribution.targets import Targets
from whysaid.checkpoint import Checkpoint
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import SPECIALS, START
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
        support: says how likely it is that the objects which it names are there; None where nobody has fitted that.

    Raises:
        UserError: the encoder takes no photos.
    """

    kind = "captioner"
    options = ("caption",)

    def __init__(
        self, captioner: Captioner, checkpoint: Checkpoint, decoding: Decoder, support: ObjectSupport | None = None
    ):
        if captioner.encoder.grid is None:
            raise UserError(f"{checkpoint.path} sees regions, not photos: explain a captioner with another encoder")
        self.model: Captioner = captioner
        self.checkpoint: Checkpoint = checkpoint
        self.support = support
        self._writer = Writer(captioner, checkpoint.vocabulary, decoding, support)

    @property
    def writer(self) -> Writer:
        return self._writer

    def asking(self, caption: str | None = None) -> Look:  # type: ignore[override]
        """Returns what captions a photo or, where a caption is given, is told to say that caption of it.

        Raises:
            UserError: the caption is empty or has a word that the captioner lacks; and, when a photo is looked at, the
                captioner writes nothing.
        """
        return partial(self._look, None if caption is None else known_words(caption, self.checkpoint))

    def _look(self, caption: list[str] | None, photo: Image.Image) -> Sentence:
        pixels = self.model.encoder.preprocessing(photo).unsqueeze(0)
        batch = CaptionBatch(torch.zeros(1, dtype=torch.int64), torch.zeros(1, 1, 2, dtype=torch.int64), images=pixels)
        vocabulary = self.writer.vocabulary
        with torch.no_grad():
            if caption is None:
                decoded, features = self.writer.describe(batch)
                words = vocabulary.decode(decoded.tokens[0, 0].tolist())
            else:
                words, features = caption, self.model.features(batch)
        if not words:
            raise UserError("the captioner writes an empty caption: give one as caption=, or train it longer")
        (attended,) = attend(self.model, batch, [words], vocabulary, features)
        tokens = said_tokens([words], vocabulary)
        remark, about = self.familiarity(pixels)
        evidence: Evidence = {}
        if self.support is not None:
            evidence = read_evidence(self.model, features, tokens, self.support.probe).of_row(0)
        sentence = Sentence(
            batch,
            Targets(tokens),
            words,
            read=[SPECIALS[START], *words[:-1]],
            context_lengths=list(range(1, len(words) + 1)),
            beside={"attention": attended.maps},
            remark=remark,
            about=about if attended.sentinel is None else {**about, "sentinel": attended.sentinel},
            evidence=evidence,
        )
        return self.with_support(sentence, {})

    def with_support(self, sentence: Sentence, maps: Mapping[str, MethodMaps]) -> Sentence:
        """Adds the support of each word; the relevance in it is LRP's, as when it was fitted."""
        if self.support is None or not sentence.evidence:
            return sentence
        relevance = maps[RELEVANCE_BY].largest if RELEVANCE_BY in maps else None
        support = self.support.of_words(sentence.said, {**sentence.evidence, RELEVANCE: relevance})
        return replace(sentence, about={**sentence.about, "support": support})

    def rather(self, sentence: Sentence, text: str) -> Sentence:
        """Compares the first word of the caption that differs in another caption."""
        other = known_words(text, self.checkpoint)
        pairs = enumerate(zip(sentence.said, other, strict=False))
        place = next((place for place, (own, foreign) in pairs if own != foreign), None)
        if place is None:
            raise UserError(f"change a word of {' '.join(sentence.said)!r}: the words of {text!r} are the same")
        against = torch.tensor([[self.checkpoint.vocabulary.encode([other[place]])[1]]])
        return replace(
            sentence,
            targets=Targets(sentence.targets.tokens, [place], against=against),
            said=[f"{sentence.said[place]} rather than {other[place]}"],
            context_lengths=[place + 1],
            beside={name: maps[[place]] for name, maps in sentence.beside.items()},
            about={name: values[place : place + 1] for name, values in sentence.about.items() if name == "sentinel"},
            evidence={},
        )


def known_words(caption: str, checkpoint: Checkpoint) -> list[str]:
    """Parts a caption into words; UserError where it has none, or one that the captioner does not know."""
    own = words_of(caption, checkpoint)
    unknown = [word for word in own if word not in checkpoint.vocabulary]
    if unknown or not own:
        what = f"the word {unknown[0]!r} is not in the captioner's vocabulary" if unknown else "the caption is empty"
        raise UserError(f"{what}: use words that its training captions hold")
    return own
