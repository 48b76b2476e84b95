"""How models of each kind answer whether an object is in a picture.

B images, K questions of an image.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from whysaid.data.batch import Pictures
from whysaid.data.object_words import ObjectWords
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.polls import Poll, worded
from whysaid.data.vocabulary import PAD, UNK, Vocabulary
from whysaid.decoding.contrast.absent import Absent
from whysaid.decoding.rescore import said_log_probs
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.transformers.pretrained import PretrainedCaptioner
from whysaid.tasks.answerer import Answerer
from whysaid.tasks.writer import Writer

YES, NO = "yes", "no"


class Reply(NamedTuple):
    """Whether the answer is yes, and how much speaks for that: > 0 where it is. None where that is not a number."""

    yes: bool
    score: float | None = None


class Respondent(Protocol):
    """Answers the questions about the pictures of a batch."""

    by: str
    """What the answer is made of."""

    def __call__(self, batch: Pictures, asked: Sequence[Sequence[Poll]]) -> list[list[Reply | None]]:
        """B lists of questions → as many replies; None where a question cannot be put to the model."""


class Answers:
    """A VQA model that chooses among answers: yes where that has the larger logit of yes and no.

    Raises:
        UserError: it does not know both.
    """

    by = "answer"

    def __init__(self, task: Answerer):
        self.task = task
        self.choices = task.answers.encode([YES, NO])
        if min(self.choices) < 0:
            raise UserError(
                "the model does not know the answers yes and no: give one that was trained on such questions"
            )

    def __call__(self, batch: Pictures, asked: Sequence[Sequence[Poll]]) -> list[list[Reply | None]]:
        read = [[self.task.vocabulary.question(poll.text) for poll in of] for of in asked]
        model = self.task.model
        logits = model(_filled(read).flatten(0, 1).to(self.task.device), model.features(batch)).float()
        yes, no = logits[:, self.choices].unbind(1)
        scores = (yes - no).view(len(asked), -1).tolist()
        return [[Reply(score > 0, score) for score in row[: len(of)]] for row, of in zip(scores, asked, strict=True)]


class WrittenAnswers:
    """A model that writes answers to questions: yes where it writes that with the larger probability of yes and no."""

    by = "answer"

    def __init__(self, task: Writer, model: PretrainedCaptioner, vocabulary: PieceVocabulary):
        self.task, self.model, self.vocabulary = task, model, vocabulary

    def __call__(self, batch: Pictures, asked: Sequence[Sequence[Poll]]) -> list[list[Reply | None]]:
        rows: dict[str, list[int]] = defaultdict(list)
        for row, polls in enumerate(asked):
            for poll in polls:
                rows[poll.text].append(row)
        replies: dict[tuple[int, str], Reply] = {}
        for text, places in rows.items():
            model = self.model.asked(self.vocabulary, question=text)  # type: ignore[call-arg]
            assert batch.images is not None
            features = model.features(Pictures(batch.images[places]))
            yes, no = (_sentence(model, features, self.vocabulary.pieces(answer)) for answer in (YES, NO))
            for row, score in zip(places, (yes - no).tolist(), strict=True):
                replies[row, text] = Reply(score > 0, score)
        return [[replies[row, poll.text] for poll in polls] for row, polls in enumerate(asked)]


class Named:
    """A captioner, asked nothing: yes where its caption names the object (OPOPE)."""

    by = "named"

    def __init__(self, task: Writer, objects: ObjectWords):
        self.task, self.objects = task, objects

    def __call__(self, batch: Pictures, asked: Sequence[Sequence[Poll]]) -> list[list[Reply | None]]:
        tokens = self.task.describe(batch)[0].tokens[:, 0].tolist()
        named = [set(self.objects.mentioned(" ".join(self.task.vocabulary.decode(row)))) for row in tokens]
        return [[self._reply(poll, names) for poll in polls] for polls, names in zip(asked, named, strict=True)]

    def _reply(self, poll: Poll, named: set[str]) -> Reply | None:
        category = category_of(poll, self.objects)
        return None if category is None else Reply(category in named)


class Probable:
    """A captioner, told a sentence that names the object: yes where the picture makes that likelier than no picture.

    Args:
        task: the captioner, one alone.
        absent: makes the picture that is none.
        sentence: with `{object}` and, where it is wanted, `{article}` in front of it.
        above: what the log-probability of the sentence must gain by the picture.
    """

    by = "probability"

    def __init__(self, task: Writer, absent: Absent, sentence: str, above: float = 0.0):
        self.task, self.absent, self.sentence, self.above = task, absent, sentence, above

    def __call__(self, batch: Pictures, asked: Sequence[Sequence[Poll]]) -> list[list[Reply | None]]:
        captioner = self.task.single_captioner
        pairs = self.absent.pairs(captioner, batch)
        said = [[self._tokens(poll) for poll in polls] for polls in asked]
        gained = []
        for tokens in _filled([[one or [] for one in of] for of in said]).unbind(1):
            there, gone = (_log_p(captioner, features, tokens) for features in pairs.apart)
            gained.append((there - gone).tolist())
        return [
            [None if one is None else self._reply(gained[k][row]) for k, one in enumerate(of)]
            for row, of in enumerate(said)
        ]

    def _reply(self, gained: float) -> Reply:
        return Reply(gained > self.above, gained - self.above)

    def _tokens(self, poll: Poll) -> list[int] | None:
        """The sentence for an object; None where the question names none, or the captioner lacks one of its words."""
        if poll.object is None:
            return None
        text = worded(self.sentence, poll.object)
        vocabulary = self.task.vocabulary
        if isinstance(vocabulary, PieceVocabulary):
            return vocabulary.pieces(text)
        tokens = [vocabulary.index.get(word, UNK) for word in text.split()]
        return None if UNK in tokens else tokens


def category_of(poll: Poll, objects: ObjectWords) -> str | None:
    """The category that a question asks for; None where it asks for nothing, or for what the table does not know."""
    if poll.object is None or poll.object in objects.categories:
        return poll.object
    named = objects.mentioned(poll.object)
    return named[0] if len(named) == 1 else None


def asks_questions(captioner: Captioner) -> bool:
    """Tells whether a model writes nothing unless it is asked something."""
    return "question" in getattr(captioner, "options", ())


def respondents_of(task: Answerer | Writer, objects: ObjectWords | None, probable: Probable | None) -> list[Respondent]:
    """All ways in which a model can be polled.

    Args:
        task: the model.
        objects: the table of object words, for captioners.
        probable: polls one captioner by the probability of a sentence; None does without.

    Raises:
        UserError: it cannot be polled at all.
    """
    if isinstance(task, Answerer):
        return [Answers(task)]
    vocabulary: Vocabulary = task.vocabulary
    model = task.captioner
    if isinstance(model, PretrainedCaptioner) and asks_questions(model):
        assert isinstance(vocabulary, PieceVocabulary)
        return [WrittenAnswers(task, model, vocabulary)]
    respondents: list[Respondent] = [] if objects is None else [Named(task, objects)]
    respondents += [] if probable is None else [probable]
    if not respondents:
        raise UserError("the data set has no table of object words: set data.object_words, or study.sentence")
    return respondents


def _sentence(captioner: Captioner, features: Any, tokens: list[int]) -> Tensor:
    """Log-probability (B,) that captions begin with these tokens."""
    return _log_p(captioner, features, torch.tensor([tokens]).expand(len(features), -1))


def _log_p(captioner: Captioner, features: Any, tokens: Tensor) -> Tensor:
    """Log-probability (B,) that captions begin with tokens (B, S), `<pad>` not counted."""
    tokens = tokens.to(captioner.embedding.weight.device)
    return said_log_probs(captioner, tokens, features).masked_fill(tokens == PAD, 0).sum(1)


def _filled(rows: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """B lists of at most K lists → (B, K, longest) int64, the rest `<pad>`."""
    longest = max(1, *(len(line) for row in rows for line in row))
    filled = torch.full((len(rows), max(len(row) for row in rows), longest), PAD)
    for b, row in enumerate(rows):
        for k, line in enumerate(row):
            filled[b, k, : len(line)] = torch.tensor(line, dtype=torch.int64)
    return filled
