"""Images with questions as batches.

B batch, K questions per image, S words, P people, C choices.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from whysaid.data.augmentation import Augmentation, Transformation
from whysaid.data.batch import QuestionBatch
from whysaid.data.dataset import PictureDataset
from whysaid.data.features.pictures import PictureFeatures
from whysaid.data.images import Preprocessing
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.questions.vqa import AskedImage, Question
from whysaid.data.sampler import Key
from whysaid.data.vocabulary import PAD, Vocabulary


class QuestionDataset(PictureDataset[AskedImage, QuestionBatch]):
    """Images with questions.

    Args:
        images: each of them with at most `per_image` questions.
        vocabulary: of the questions. answers: of the answers.
        preprocessing, features: as of any pictures.
        per_image: K.
        max_words: questions are cut to this many words.
        augmentation: what happens to pictures, and with them to questions.
    """

    def __init__(
        self,
        images: Sequence[AskedImage],
        vocabulary: Vocabulary,
        answers: AnswerVocabulary,
        preprocessing: Preprocessing,
        per_image: int,
        max_words: int,
        features: PictureFeatures | None = None,
        augmentation: Augmentation | None = None,
    ):
        super().__init__(images, preprocessing, features)
        self.augmentation = augmentation or Augmentation()
        self.vocabulary, self.answers, self.per_image, self.max_words = vocabulary, answers, per_image, max_words

    def text_batch(self, keys: Sequence[Key]) -> QuestionBatch:
        images = [self.images[key.index] for key in keys]
        asked = [[changed(q, self.augmentation.change(key)) for q in self.images[key.index].questions] for key in keys]
        read = [[self.vocabulary.question(q.text)[: self.max_words] for q in group] for group in asked]
        chosen = [[self.answers.encode(q.choices) for q in group] for group in asked]
        return QuestionBatch(
            torch.tensor([image.id for image in images]),
            self._filled([[[q.id] for q in group] for group in asked], -1).squeeze(2),
            self._filled(read, PAD),
            self._filled([[self.answers.encode(q.answers) for q in group] for group in asked], -1),
            self._filled(chosen, -1) if any(any(group) for group in chosen) else None,
        )

    def _load(self, key: Key) -> tuple[Key, Tensor, list[str]]:
        read, pixels, broken = super()._load(key)
        return read, self.augmentation.change(read).picture(pixels), broken

    def _filled(self, rows: Sequence[Sequence[Sequence[int]]], value: int) -> Tensor:
        """Lists of at most K lists → (B, K, longest) int64."""
        longest = max(1, *(len(line) for row in rows for line in row))
        filled = torch.full((len(rows), self.per_image, longest), value)
        for b, row in enumerate(rows):
            for k, line in enumerate(row):
                filled[b, k, : len(line)] = torch.tensor(line, dtype=torch.int64)
        return filled


def changed(question: Question, change: Transformation) -> Question:
    """The question that is true of a changed picture as this one is of the picture itself."""
    if not change.mirrored:
        return question
    answers, choices = (tuple(map(change.text, texts)) for texts in (question.answers, question.choices))
    return replace(question, text=change.text(question.text), answers=answers, choices=choices)
