"""Images with questions, for Lightning: VQA v1, v2 and Scenes alike.

B batch, K questions per image, S words, P people, C choices.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from whysaid.data.augmentation import Augmentation, Transformation
from whysaid.data.batch import QuestionBatch
from whysaid.data.captions.captioned_image import words
from whysaid.data.dataset import PictureDataset
from whysaid.data.features.featured import Featured
from whysaid.data.features.store import FeatureStore
from whysaid.data.images import Preprocessing
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.questions.vqa import AskedImage, Question
from whysaid.data.sampler import Key
from whysaid.data.splits import Source
from whysaid.data.vocabulary import PAD, UNK, Vocabulary
from whysaid.errors import UserError


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
        features: FeatureStore | None = None,
        augmentation: Augmentation | None = None,
    ):
        super().__init__(images, preprocessing, features)
        self.augmentation = augmentation or Augmentation()
        self.vocabulary, self.answers, self.per_image, self.max_words = vocabulary, answers, per_image, max_words

    def text_batch(self, keys: Sequence[Key]) -> QuestionBatch:
        images = [self.images[key.index] for key in keys]
        asked = [[changed(q, self.augmentation.change(key)) for q in self.images[key.index].questions] for key in keys]
        read = [[question_tokens(q.text, self.vocabulary)[: self.max_words] for q in group] for group in asked]
        chosen = [[self.answers.encode(q.choices) for q in group] for group in asked]
        return QuestionBatch(
            torch.tensor([image.id for image in images]),
            self._filled([[[q.id] for q in group] for group in asked], -1).squeeze(2),
            self._filled(read, PAD),
            self._filled([[self.answers.encode(q.answers) for q in group] for group in asked], -1),
            self._filled(chosen, -1) if any(any(group) for group in chosen) else None,
        )

    def _load(self, key: Key) -> tuple[Key, Tensor, list[str]]:
        found, pixels, broken = super()._load(key)
        return found, self.augmentation.change(found).picture(pixels), broken

    def _filled(self, rows: Sequence[Sequence[Sequence[int]]], value: int) -> Tensor:
        """Lists of at most K lists → (B, K, longest) int64."""
        longest = max(1, *(len(line) for row in rows for line in row))
        filled = torch.full((len(rows), self.per_image, longest), value)
        for b, row in enumerate(rows):
            for k, line in enumerate(row):
                filled[b, k, : len(line)] = torch.tensor(line, dtype=torch.int64)
        return filled


class QuestionData(Featured[AskedImage]):
    """The three splits of a VQA data set.

    An image with more than K questions stands several times in an epoch, with K of them at a time: so it is read and
    encoded once for all of these.

    Args:
        name, root, source, cache_dir, cache_features: as of any images.
        answers: size of the answer vocabulary: the most frequent answers of the training split; the paper: 3,000.
        min_count: words of training questions that occur less often become `<unk>`.
        max_words: questions are cut to this many words.
        questions_per_image: K.
        shift, mirror: training pictures are moved by at most so many pixels, and mirrored, at random.
        settings: batch_size, eval_batch_size (images), num_workers, limits, max_broken, seed, as of any images.
    """

    def __init__(
        self,
        name: str,
        root: str,
        source: Source[AskedImage],
        cache_dir: str,
        answers: int = 3_000,
        min_count: int = 1,
        max_words: int = 26,
        questions_per_image: int = 3,
        shift: int = 0,
        mirror: bool = False,
        cache_features: bool = False,
        **settings: Any,
    ):
        super().__init__(name, root, source, cache_dir, cache_features, **settings)
        self.answer_count, self.min_count, self.max_words = answers, min_count, max_words
        self.questions_per_image = questions_per_image
        self.augmentation = Augmentation(shift, mirror, self.seed)
        if self.augmentation and cache_features:
            raise UserError(
                "cached features are of pictures as they are: set data.shift=0 and data.mirror=false, "
                "or data.cache_features=false"
            )
        self._built: Vocabulary | None = None
        self._answers: AnswerVocabulary | None = None

    def questions(self, split: str) -> dict[int, Question]:
        """Question id → the question, of a split."""
        return {question.id: question for image in self.images(split) for question in image.questions}

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of the training questions, or the checkpoint's where they were given to `use`."""
        if self._vocabulary is None and self._built is None:
            texts = (words(question.text) for question in self.questions("train").values())
            self._built = Vocabulary.build(texts, self.min_count)
        found = self._vocabulary or self._built
        assert found is not None
        return found

    @property
    def answers(self) -> AnswerVocabulary:
        """The answers of the training split, or the checkpoint's where they were given to `use_answers`."""
        if self._answers is None:
            given = (answer for question in self.questions("train").values() for answer in question.answers)
            self._answers = AnswerVocabulary.build(given, self.answer_count)
        return self._answers

    def use_answers(self, answers: AnswerVocabulary) -> None:
        """A checkpoint's answers in place of the training split's."""
        self._answers = answers

    def dataset(self, split: str) -> QuestionDataset:
        """The split as batches; UserError before `use`, or where no question has a known word."""
        assert self.preprocessing is not None, "call use() with the encoder's preprocessing first"
        images = grouped(self.images(split), self.questions_per_image)
        if not any(word in self.vocabulary for image in images for q in image.questions for word in words(q.text)):
            raise UserError(f"no {split} question has a known word: is the checkpoint of another data set?")
        return QuestionDataset(
            images,
            self.vocabulary,
            self.answers,
            self.preprocessing,
            self.questions_per_image,
            self.max_words,
            self.features,
            self.augmentation if split == "train" else None,
        )


def grouped(images: Sequence[AskedImage], size: int) -> list[AskedImage]:
    """The images, those with more than `size` questions several times, each time with the next of them."""
    return [
        AskedImage(image.id, image.path, image.questions[i : i + size])
        for image in images
        for i in range(0, len(image.questions), size)
    ]


def changed(question: Question, change: Transformation) -> Question:
    """The question that is true of a changed picture as this one is of the picture itself."""
    if not change.mirrored:
        return question
    answers, choices = (tuple(map(change.text, texts)) for texts in (question.answers, question.choices))
    return replace(question, text=change.text(question.text), answers=answers, choices=choices)


def question_tokens(text: str, vocabulary: Vocabulary) -> list[int]:
    """Indices of a question's words; at least one, for a question without any is one unknown word."""
    return [vocabulary.index.get(word, UNK) for word in words(text)] or [UNK]
