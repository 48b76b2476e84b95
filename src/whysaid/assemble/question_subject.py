"""A VQA model that answers a question about photos, or is asked why it would, or would not, answer otherwise."""

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from PIL import Image

from whysaid.assemble.pieces import pieces_of
from whysaid.assemble.subject import Look, Subject, words_of
from whysaid.attribution.answers import Answers
from whysaid.attribution.sentence import Sentence
from whysaid.checkpoint import Origin
from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.vocabulary import Vocabulary
from whysaid.errors import UserError
from whysaid.models.explainable import VQAModel
from whysaid.tasks.answerer import Answerer
from whysaid.tasks.writer import Writer

log = logging.getLogger(__name__)


class QuestionSubject(Subject):
    """A VQA model.

    Args:
        model: in evaluation mode; its encoder has a grid.
        checkpoint: where it comes from.
        vocabulary: of its questions.
        answers: its answers.

    Raises:
        UserError: the encoder takes no photos.
    """

    kind = "VQA model"
    options = ("question", "answer")

    def __init__(self, model: VQAModel, checkpoint: Origin, vocabulary: Vocabulary, answers: AnswerVocabulary):
        if model.encoder.grid is None:
            raise UserError(f"{checkpoint.path} sees regions, not photos: explain a model with another encoder")
        self.model: VQAModel = model
        self.checkpoint, self.vocabulary = checkpoint, vocabulary
        self.task = Answerer(model, vocabulary, answers).eval()

    @property
    def writer(self) -> Writer:
        raise UserError("importance=true compares captions: give ckpt= a captioner's checkpoint, or leave it out")

    def asking(self, question: str | None = None, answer: str | None = None) -> Look:  # type: ignore[override]
        """Returns what answers a question about a photo.

        Args:
            question: to ask of every photo.
            answer: to explain before the model's own; None explains the model's own alone.

        Raises:
            UserError: there is no question, or none of its words is known; the answer is not one of the model's.
        """
        if question is None:
            raise UserError(f'{self.checkpoint.path} answers questions: add question="what colour is the ball?"')
        require_known_words(question, self.checkpoint, self.vocabulary)
        answers = self.task.answers
        if answer is not None and answer not in answers:
            raise UserError(f"{answer!r} is not among the {len(answers)} answers of this model: ask for another one")
        tokens = self.vocabulary.question(question)
        longest = self.model.longest_question
        if longest is not None and len(tokens) > longest:
            raise UserError(
                f"the question has {len(tokens)} pieces of words, and this model reads {longest}: shorten it"
            )
        return partial(self._look, question, tokens, None if answer is None else answers.spelled(answer))

    def _look(self, question: str, read: list[int], answer: str | None, photo: Image.Image) -> Sentence:
        """The question's words are read, its answers said; `about` has the likeliest answers and their confidences."""
        preprocessing, weight = self.model.encoder.preprocessing, self.model.embedding.weight
        tokens, zero = torch.tensor([read]), torch.zeros(1, 1, dtype=torch.int64)
        batch = QuestionBatch(zero[0], zero, tokens.unsqueeze(0), zero.unsqueeze(2) - 1)
        batch.images = pixels = preprocessing(photo).unsqueeze(0)
        on_device = replace(batch, questions=batch.questions.to(weight.device), images=pixels.to(weight))
        with torch.no_grad():
            given = self.task.answer(on_device)[0]
            features = self.model.features(on_device)
            attention = self.model.read(self.model.embed(tokens.to(weight.device)), features).attention
        said = list(dict.fromkeys([given.answer] if answer is None else [answer, given.answer]))
        size = pixels.shape[-2], pixels.shape[-1]
        maps = self.model.encoder.on_grid(attention[0, 0].float().cpu(), size).numpy()
        joined, asked = self.vocabulary.joined(read), words_of(question, self.checkpoint)
        whole = len(joined) == len(read) == len(asked)  # each token is a word of the question
        texts = asked if whole else [word.text for word in joined]
        remark, about = self.familiarity(pixels.to(weight))
        likeliest = "likeliest answers: " + ", ".join(f"{likely} {p:.2f}" for likely, p in given.ranked)
        return Sentence(
            batch,
            Answers(tokens, torch.tensor([self.task.answers.encode(said)])),
            said,
            read=texts,
            context_lengths=[len(texts)] * len(said),
            beside={"attention": np.stack([maps] * len(said))},
            remark="; ".join(filter(None, (likeliest, remark))),
            pieces=None if whole else pieces_of(self.vocabulary, [], read, joined),
            views=preprocessing.views(*photo.size),
            about={
                **about,
                "question": " ".join(asked) if whole else question,
                "answers": [{"answer": likely, "confidence": p} for likely, p in given.ranked],
            },
        )

    def rather(self, sentence: Sentence, text: str) -> Sentence:
        """Compares the model's answer with another one."""
        answers, own = self.task.answers, sentence.said[-1]
        if text not in answers:
            raise UserError(f"{text!r} is not among the {len(answers)} answers of this model: ask for another one")
        other = answers.spelled(text)
        if other == own:
            raise UserError(f"{own!r} is what the model answers: ask for another answer")
        said, against = torch.tensor([answers.encode([own])]), torch.tensor([answers.encode([other])])
        return replace(
            sentence,
            targets=Answers(sentence.targets.tokens, said, against),
            said=[f"{own} rather than {other}"],
            context_lengths=sentence.context_lengths[-1:],
            beside={name: maps[-1:] for name, maps in sentence.beside.items()},
        )


def require_known_words(question: str, checkpoint: Origin, vocabulary: Vocabulary) -> None:
    """Raises UserError where no word of a question is known; others are passed over by the model, with a warning."""
    asked = words_of(question, checkpoint)
    unknown = [word for word in asked if word not in vocabulary]
    if len(unknown) == len(asked):
        raise UserError("the question has no word that this model knows: ask as its training questions do")
    if unknown:
        log.warning("the model does not know %s and passes over it", ", ".join(map(repr, unknown)))
