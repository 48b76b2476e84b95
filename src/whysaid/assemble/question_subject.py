"""A VQA model that answers a question about photos, or is asked why it would, or would not, answer otherwise."""

import logging
from functools import partial

import numpy as np
import torch
from PIL import Image

from whysaid.assemble.subject import Look, Subject
from whysaid.attribution.answers import Answers
from whysaid.attribution.looking.glimpses import glimpse_maps
from whysaid.attribution.sentence import Sentence
from whysaid.checkpoint import Checkpoint
from whysaid.data.batch import QuestionBatch
from whysaid.data.captions.captioned_image import words
from whysaid.data.questions.answers import AnswerVocabulary, normalised
from whysaid.data.questions.dataset import question_tokens
from whysaid.errors import UserError
from whysaid.models.saaa import SAAA
from whysaid.tasks.vqa import Answering
from whysaid.tasks.writer import Writer

log = logging.getLogger(__name__)


class QuestionSubject(Subject):
    """A VQA model.

    Args:
        model: in evaluation mode; its encoder has a grid.
        checkpoint: where it comes from.
        answers: its answers.

    Raises:
        UserError: the encoder takes no photos.
    """

    kind = "VQA model"
    options = ("question", "answer")

    def __init__(self, model: SAAA, checkpoint: Checkpoint, answers: AnswerVocabulary):
        if model.encoder.grid is None:
            raise UserError(f"{checkpoint.path} sees regions, not photos: explain a model with another encoder")
        self.model: SAAA = model
        self.checkpoint = checkpoint
        self.task = Answering(model, checkpoint.vocabulary, answers).eval()

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
        words_read = known_question(question, self.checkpoint)
        answers = self.task.answers
        if answer is not None and answer not in answers:
            raise UserError(f"{answer!r} is not among the {len(answers)} answers of this model: ask for another one")
        return partial(self._look, words_read, None if answer is None else normalised(answer))

    def _look(self, words_read: list[str], answer: str | None, photo: Image.Image) -> Sentence:
        """The question's words are read, its answers said; `about` has the likeliest answers and their confidences."""
        pixels = self.model.encoder.preprocessing(photo).unsqueeze(0)
        tokens = torch.tensor([question_tokens(" ".join(words_read), self.checkpoint.vocabulary)])
        zero = torch.zeros(1, 1, dtype=torch.int64)
        batch = QuestionBatch(zero[0], zero, tokens.unsqueeze(0), zero.unsqueeze(2) - 1, images=pixels)
        with torch.no_grad():
            given = self.task.answer(batch)[0]
        said = list(dict.fromkeys([given.answer] if answer is None else [answer, given.answer]))
        maps = glimpse_maps(self.model, batch)[0, 0].mean(0)
        return Sentence(
            batch,
            Answers(tokens, torch.tensor([self.task.answers.encode(said)])),
            said,
            read=words_read,
            context_lengths=[len(words_read)] * len(said),
            beside={"attention": np.stack([maps] * len(said))},
            remark="likeliest answers: " + ", ".join(f"{likely} {p:.2f}" for likely, p in given.ranked),
            about={
                "question": " ".join(words_read),
                "answers": [{"answer": likely, "confidence": p} for likely, p in given.ranked],
            },
        )


def known_question(question: str | None, checkpoint: Checkpoint) -> list[str]:
    """The words of a question; those that the model does not know are passed over by it, with a warning.

    Raises UserError where there is no question, or no word of it is known.
    """
    if question is None:
        raise UserError(f'{checkpoint.path} answers questions: add question="what colour is the ball?"')
    asked = words(question)
    unknown = [word for word in asked if word not in checkpoint.vocabulary]
    if len(unknown) == len(asked):
        raise UserError("the question has no word that this model knows: ask as its training questions do")
    if unknown:
        log.warning("the model does not know %s and passes over it", ", ".join(map(repr, unknown)))
    return asked
