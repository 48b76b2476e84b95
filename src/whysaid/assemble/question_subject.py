"""A VQA model that answers a question about photos, or is asked why it would, or would not, answer otherwise."""

import logging

import numpy as np
import torch
from PIL import Image

from whysaid.attribution.answers import Answers
from whysaid.attribution.looking.glimpses import glimpse_maps
from whysaid.attribution.sentence import Sentence
from whysaid.checkpoint import Checkpoint
from whysaid.data.batch import QuestionBatch
from whysaid.data.captions.captioned_image import words
from whysaid.data.questions.answers import AnswerVocabulary, normalised
from whysaid.data.questions.datamodule import question_tokens
from whysaid.errors import UserError
from whysaid.models.saaa import SAAA
from whysaid.tasks.vqa import Answering

log = logging.getLogger(__name__)


class QuestionSubject:
    """See `Subject`.

    Args:
        model: in evaluation mode; its encoder has a grid.
        checkpoint: where it comes from.
        answers: its answers.
        question: to ask of every photo.
        answer: to explain before the model's own, or None for that alone.

    Raises UserError: the encoder takes no photos; there is no question, or none of its words is known; the answer is
    not one of the model's.
    """

    def __init__(
        self,
        model: SAAA,
        checkpoint: Checkpoint,
        answers: AnswerVocabulary,
        question: str | None,
        answer: str | None = None,
    ):
        if model.encoder.grid is None:
            raise UserError(f"{checkpoint.path} sees regions, not photos: explain a model with another encoder")
        self.model, self.checkpoint = model, checkpoint
        self.task = Answering(model, checkpoint.vocabulary, answers).eval()
        self.words = known_question(question, checkpoint)
        self.tokens = torch.tensor([question_tokens(" ".join(self.words), checkpoint.vocabulary)])
        if answer is not None and answer not in answers:
            raise UserError(f"{answer!r} is not among the {len(answers)} answers of this model: ask for another one")
        self.answer = None if answer is None else normalised(answer)

    def look(self, photo: Image.Image) -> Sentence:
        """The question's words are read, its answers said; `about` has the likeliest answers and their confidences."""
        pixels = self.model.encoder.preprocessing(photo).unsqueeze(0)
        one = torch.zeros(1, 1, dtype=torch.int64)
        batch = QuestionBatch(one[0], one, self.tokens.unsqueeze(0), one.unsqueeze(2) - 1, images=pixels)
        with torch.no_grad():
            given = self.task.answer(batch)[0]
        said = list(dict.fromkeys([given.answer] if self.answer is None else [self.answer, given.answer]))
        maps = glimpse_maps(self.model, batch)[0, 0].mean(0)
        return Sentence(
            batch,
            Answers(self.tokens, torch.tensor([self.task.answers.encode(said)])),
            said,
            read=self.words,
            context_lengths=[len(self.words)] * len(said),
            beside={"attention": np.stack([maps] * len(said))},
            remark="likeliest answers: " + ", ".join(f"{answer} {p:.2f}" for answer, p in given.ranked),
            about={
                "question": " ".join(self.words),
                "answers": [{"answer": answer, "confidence": p} for answer, p in given.ranked],
            },
        )


def known_question(question: str | None, checkpoint: Checkpoint) -> list[str]:
    """The words of a question; those that the model does not know are passed over by it, with a warning.

    Raises UserError where there is no question, or no word of it is known.
    """
    if question is None:
        raise UserError(f'{checkpoint.path} answers questions: add question="what colour is the ball?"')
    found = words(question)
    unknown = [word for word in found if word not in checkpoint.vocabulary]
    if len(unknown) == len(found):
        raise UserError("the question has no word that this model knows: ask as its training questions do")
    if unknown:
        log.warning("the model does not know %s and passes over it", ", ".join(map(repr, unknown)))
    return found
