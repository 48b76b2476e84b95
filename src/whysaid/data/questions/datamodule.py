"""Images with questions, for Lightning: VQA v1, v2 and Scenes alike.

B batch, K questions per image, S words, P people, C choices.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from rich.table import Table

from whysaid.data.augmentation import Augmentation
from whysaid.data.features.featured import ChangedSource, Featured
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.questions.dataset import QuestionDataset
from whysaid.data.questions.vqa import AskedImage, Question
from whysaid.data.splits import SPLITS, Source
from whysaid.data.vocabulary import Vocabulary
from whysaid.data.words import require_spaces, words
from whysaid.errors import UserError


class QuestionData(Featured[AskedImage]):
    """The three splits of a VQA data set.

    An image with more than K questions stands several times in an epoch, with K of them at a time: so it is read and
    encoded once for all of these.

    Args:
        name, root, source, cache_dir, cache_features, characters: as of captions.
        answers: size of the answer vocabulary: the most frequent answers of the training split; the paper: 3,000.
        min_count: words of training questions that occur less often become `<unk>`.
        max_words: questions are cut to this many words.
        questions_per_image: K.
        shift, mirror: training pictures are moved by at most so many pixels, and mirrored, at random.
        settings: batch_size, eval_batch_size (images), num_workers, limits, max_broken, seed and evaluated, as of any
            images.
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
        characters: bool = False,
        **settings: Any,
    ):
        source = ChangedSource(source, AskedImage.spaced) if characters else source
        super().__init__(name, root, source, cache_dir, cache_features, **settings)
        self.answer_count, self.min_count, self.max_words = answers, min_count, max_words
        self.questions_per_image = questions_per_image
        self.augmentation = Augmentation(shift, mirror, self.seed)
        if self.augmentation and cache_features:
            raise UserError(
                "cached features are of pictures as they are: set data.shift=0 and data.mirror=false, "
                "or data.cache_features=false"
            )

    def questions(self, split: str) -> dict[int, Question]:
        """Questions of a split by their ids."""
        return {question.id: question for image in self.images(split) for question in image.questions}

    def is_annotated(self, split: str) -> bool:
        return any(question.answers for image in self.images(split) for question in image.questions)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of the training questions, or the checkpoint's where the model's inputs bring them."""
        return (self._inputs and self._inputs.vocabulary) or self._own_vocabulary

    @property
    def answers(self) -> AnswerVocabulary:
        """The answers of the training split, or the checkpoint's where the model's inputs bring them."""
        return (self._inputs and self._inputs.answers) or self._own_answers

    @cached_property
    def _own_vocabulary(self) -> Vocabulary:
        texts = [question.text for question in self.questions("train").values()]
        require_spaces(texts)
        return Vocabulary.build(map(words, texts), self.min_count)

    @cached_property
    def _own_answers(self) -> AnswerVocabulary:
        answers = (answer for question in self.questions("train").values() for answer in question.answers)
        return AnswerVocabulary.build(answers, self.answer_count)

    def summary(self) -> Table:
        """Makes a table: split → images, questions, and the share of these whose commonest answer a model can give."""
        known_words, answers = len(self.vocabulary), self.answers
        about = f"{self.name}: {known_words:,} words of questions, 4 marks with them, and {len(answers):,} answers"
        table = Table("split", "images", "questions", "coverage", caption=about, min_width=len(about))
        for split in SPLITS:
            questions = self.questions(split).values()
            known = sum(question.answer in answers for question in questions)
            coverage = f"{known / max(len(questions), 1):.2%}" if self.is_annotated(split) else "no answers"
            table.add_row(split, f"{len(self.images(split)):,}", f"{len(questions):,}", coverage)
        return table

    def dataset(self, split: str) -> QuestionDataset:
        """Makes the split into batches; UserError where no question has a known word."""
        inputs, images = self.inputs, grouped(self.images(split), self.questions_per_image)
        if not any(word in self.vocabulary for image in images for q in image.questions for word in words(q.text)):
            raise UserError(f"no {split} question has a known word: is the checkpoint of another data set?")
        return QuestionDataset(
            images,
            self.vocabulary,
            self.answers,
            inputs.preprocessing,
            self.questions_per_image,
            self.max_words,
            inputs.features,
            self.augmentation if split == "train" else None,
        )


def grouped(images: Sequence[AskedImage], size: int) -> list[AskedImage]:
    """The images, those with more than `size` questions several times, each time with the next of them."""
    return [
        AskedImage(image.id, image.path, image.questions[i : i + size])
        for image in images
        for i in range(0, len(image.questions), size)
    ]
