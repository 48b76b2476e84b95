"""A model of transformers that writes: captions of photos, or answers to questions about them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from PIL import Image

from whysaid.assemble.pieces import pieces_of
from whysaid.assemble.subject import Look, Subject
from whysaid.attribution.sentence import Sentence
from whysaid.attribution.targets import Targets
from whysaid.checkpoint import Origin
from whysaid.data.batch import CaptionBatch
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import START, Word, spoken
from whysaid.decoding.decoder import Decoder
from whysaid.errors import UserError
from whysaid.models.transformers.pretrained import PretrainedCaptioner
from whysaid.tasks.writer import Writer


class WritingSubject(Subject):
    """A captioner of transformers, and how it writes.

    Args:
        captioner: in evaluation mode.
        origin: where it comes from.
        vocabulary: its tokens.
        decoding: how it writes.

    Raises:
        UserError: the decoding may write more than the model reads.
    """

    kind = "model of transformers"

    def __init__(self, captioner: PretrainedCaptioner, origin: Origin, vocabulary: PieceVocabulary, decoding: Decoder):
        self.model: PretrainedCaptioner = captioner
        self._captioner = captioner  # before it is asked anything
        self.checkpoint, self.vocabulary, self.decoding = origin, vocabulary, decoding
        self.options = captioner.options  # type: ignore[misc]

    @property
    def writer(self) -> Writer:
        return Writer(self.model, self.vocabulary, self.decoding)

    def asking(self, **options: str | None) -> Look:
        """Returns what writes of a photo or, where a text is given, is told to write that text of it.

        Args:
            options: some of the model's own: `caption`, or `answer`, is the text to write, and the others, `prompt` or
                `question`, what is read before it.

        Raises:
            UserError: the model cannot be asked this; and, when a photo is looked at, it writes nothing.
        """
        said = [options.pop(name, None) for name in ("caption", "answer") if name in options]
        self.model = self._captioner.asked(self.vocabulary, **options)
        text = next((text for text in said if text is not None), None)
        tokens = None if text is None else self.vocabulary.pieces(text)
        if tokens == []:
            raise UserError("the text to explain is empty: give some words, or leave it out")
        self._require_room(tokens, 0)
        return partial(self._look, tokens)

    def _require_room(self, text: list[int] | None, shown: int) -> None:
        """Raises UserError where the model does not read so many tokens behind its prompt and `shown` of the photo."""
        number = getattr(self.decoding, "max_length", 0) if text is None else len(text)
        longest, before = self.model.longest, self.model.prompt.shape[1] + 1 + shown
        if longest is None or before + number <= longest:
            return
        what = f"decoding.max_length={number}" if text is None else f"the text of {number} pieces of words"
        photo = f", {shown} of these of the photo" if shown else ""
        raise UserError(
            f"{what} is more than this model reads: {longest} pieces, {before} of them before{photo}: shorten it"
        )

    def _look(self, text: list[int] | None, photo: Image.Image) -> Sentence:
        preprocessing, weight = self.model.encoder.preprocessing, self.model.embedding.weight
        pixels = preprocessing(photo).unsqueeze(0)
        with torch.no_grad():
            features = self.model.encode(pixels.to(weight))
            self._require_room(text, self.model.read_of_image(features))
            tokens = text or [i for _, i in spoken(self.decoding(self.model, features).tokens[0, 0].tolist())]
            words = self.vocabulary.located(tokens)
            if not words:
                raise UserError("the model writes nothing: give it a text, or another prompt")
            # what follows the first piece of the last word is read by nobody
            targets = Targets(
                torch.tensor([tokens[: words[-1].first + 1]]),
                [word.first for word in words],
                prompt=self.model.prompt.cpu(),
            )
            reading = self.model.read(self.model.embed(targets.inputs().to(weight.device)), features)
        size = pixels.shape[-2], pixels.shape[-1]
        attention = self.model.encoder.on_grid(reading.attention[0, targets.places].float().cpu(), size).numpy()
        read, joined = self._read(targets)
        about = {} if reading.sentinel is None else {"sentinel": reading.sentinel[0, targets.places].tolist()}
        return Sentence(
            CaptionBatch(torch.zeros(1, dtype=torch.int64), torch.zeros(1, 1, 2, dtype=torch.int64), images=pixels),
            targets,
            [word.text for word in words],
            read=[word.text for word in joined],
            context_lengths=[sum(word.first <= place for word in joined) for place in targets.places],
            beside={"attention": attention},
            pieces=pieces_of(self.vocabulary, _tokens(tokens, words), read, joined),
            views=preprocessing.views(*photo.size),
            about=about,
        )

    def _read(self, targets: Targets) -> tuple[list[int], list[Word]]:
        """The tokens that were read, and their words; `<start>` is shown as the token that it stands for."""
        read: list[int] = targets.inputs()[0].tolist()
        begun = self.model.token_ids[START] != self._captioner.token_ids[START]
        if begun:
            read[self.model.prompt.shape[1]] = self.vocabulary.own[int(self.model.token_ids[START])]
        return read, self.vocabulary.joined(read)

    def rather(self, sentence: Sentence, text: str) -> Sentence:
        """Compares the first piece of a word that differs in another text."""
        own, other = sentence.targets.tokens[0].tolist(), self.vocabulary.pieces(text)
        pairs = enumerate(zip(own, other, strict=False))
        place = next((place for place, (piece, foreign) in pairs if piece != foreign), None)
        if place is None:
            raise UserError(f"change a word of {' '.join(sentence.said)!r}: the words of {text!r} are the same")
        word = sum(first <= place for first in sentence.targets.positions or ()) - 1
        foreign = next(word.text for word in self.vocabulary.located(other) if word.last >= place)
        pieces = None if sentence.pieces is None else replace(sentence.pieces, said=[sentence.pieces.said[word]])
        about = sentence.about.get("sentinel")
        return replace(
            sentence,
            targets=replace(sentence.targets, positions=[place], against=torch.tensor([[other[place]]])),
            said=[f"{sentence.said[word]} rather than {foreign}"],
            context_lengths=[sentence.context_lengths[word]],
            beside={name: maps[[word]] for name, maps in sentence.beside.items()},
            pieces=pieces,
            about={} if about is None else {"sentinel": [about[word]]},
        )


def _tokens(tokens: Sequence[int], words: Sequence[Word]) -> list[list[int]]:
    """The tokens of each word."""
    return [list(tokens[word.first : word.last + 1]) for word in words]
