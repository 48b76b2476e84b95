"""Images with questions, for Lightning: VQA v1, v2 and Scenes alike.

B batch, K questions per image, S words, P people, C choices.
"""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from whysaid.data.augmentation import Augmentation
from whysaid.data.captions.captioned_image import words
from whysaid.data.features.featured import Featured
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.questions.dataset import QuestionDataset
from whysaid.data.questions.vqa import AskedImage, Question
from whysaid.data.splits import SPLITS, Source
from whysaid.data.vocabulary import Vocabulary
from whysaid.errors import UserError


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

    def summary(self) -> Table:
        """Makes a table: split → images, questions, and the share of these whose commonest answer a model can give."""
        known_words, answers = len(self.vocabulary), self.answers
        about = f"{self.name}: {known_words:,} words of questions, 4 marks with them, and {len(answers):,} answers"
        table = Table("split", "images", "questions", "coverage", caption=about, min_width=len(about))
        for split in SPLITS:
            questions = self.questions(split).values()
            known = sum(question.answer in answers for question in questions)
            coverage = f"{known / max(len(questions), 1):.2%}"
            table.add_row(split, f"{len(self.images(split)):,}", f"{len(questions):,}", coverage)
        return table

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
