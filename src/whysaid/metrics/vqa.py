"""The VQA accuracy, and what an answer given by a model is.

A person's answer counts as right if at least three of the nine others gave it; an answer that n of ten people gave is
therefore worth the mean, over the ten ways to leave one of them out, of min(n′ / 3, 1) of the n′ that are left:

    n/10 · min((n − 1) / 3, 1) + (10 − n)/10 · min(n / 3, 1) = min(0.3 n, 1).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from whysaid.data.questions.answers import normalised
from whysaid.data.questions.vqa import Question
from whysaid.errors import UserError


@dataclass(frozen=True)
class GivenAnswer:
    """A model's answer.

    ranked: its likeliest answers and their probabilities in [0, 1], the likeliest first; at least one.
    choice: position of the likeliest of the question's choices; None without choices that the model knows.
    """

    ranked: tuple[tuple[str, float], ...]
    choice: int | None = None

    @property
    def answer(self) -> str:
        """The likeliest answer."""
        return self.ranked[0][0]

    @property
    def confidence(self) -> float:
        """Probability of the answer."""
        return self.ranked[0][1]


def agreement(same: int, people: int = 10) -> float:
    """Worth, in [0, 1], of an answer that `same` of the `people` asked have given."""
    if people == 1:
        return float(same)
    left_in, left_out = min((same - 1) / 3, 1.0), min(same / 3, 1.0)
    return (same * left_in + (people - same) * left_out) / people


def accuracy(answer: str, answers: Sequence[str]) -> float:
    """Worth of an answer beside those of the people asked, all normalised first."""
    said = normalised(answer)
    return agreement(sum(normalised(other) == said for other in answers), len(answers))


def score(
    answers: Mapping[int, GivenAnswer], questions: Mapping[int, Question], by_type: bool = True
) -> dict[str, float]:
    """Mean accuracies, in [0, 1], of what was answered to questions by their ids; those that nobody has answered are
    not scored.

    `vqa_accuracy`, of all; `vqa_multiple_choice`, where the questions have choices; and, `by_type`, `vqa_accuracy_…` of
    each type of answer and of each type of question. UserError where there is nothing to score.
    """
    answers = {i: answer for i, answer in answers.items() if questions[i].answers}
    if not answers:
        raise UserError("there are no answers to score: check that the split holds questions")
    scores: dict[str, list[float]] = defaultdict(list)
    for i, answer in answers.items():
        question = questions[i]
        worth = accuracy(answer.answer, question.answers)
        for name in _names(question, by_type):
            scores[name].append(worth)
        if question.choices:
            chosen = None if answer.choice is None else question.choices[answer.choice]
            scores["vqa_multiple_choice"].append(0.0 if chosen is None else accuracy(chosen, question.answers))
    return {name: sum(values) / len(values) for name, values in sorted(scores.items())}


def _names(question: Question, by_type: bool) -> Iterable[str]:
    yield "vqa_accuracy"
    if by_type:
        for kind in {question.answer_type, question.type} - {""}:
            yield "vqa_accuracy_" + re.sub(r"\W+", "_", kind)
