"""VQA accuracy."""

from itertools import combinations

import pytest

from whysaid.data.questions.vqa import Question
from whysaid.errors import UserError
from whysaid.metrics.vqa import GivenAnswer, accuracy, agreement, score


def brute_force(same: int, people: int) -> float:
    """The mean over all ways to leave one person out."""
    gave = [1] * same + [0] * (people - same)
    subsets = list(combinations(gave, people - 1))
    return sum(min(sum(subset) / 3, 1) for subset in subsets) / len(subsets)


@pytest.mark.parametrize("people", [2, 3, 5, 10])
def test_an_answer_is_worth_the_mean_over_those_left(people: int) -> None:
    for same in range(people + 1):
        assert agreement(same, people) == pytest.approx(brute_force(same, people), abs=1e-12)


def test_of_ten_people_three_tenths_each_up_to_one() -> None:
    assert [agreement(n) for n in range(11)] == pytest.approx([min(0.3 * n, 1) for n in range(11)])
    assert (agreement(0, 1), agreement(1, 1)) == (0.0, 1.0)


def test_answers_are_normalised_first() -> None:
    people = ["two dogs"] * 2 + ["2 dogs"] + ["A dog"] * 7
    assert accuracy("The Two dogs!", people) == pytest.approx(0.9)
    assert accuracy("dog", people) == 1 and accuracy("cat", people) == 0


def question(number: int, kind: str, answer: str, choices: tuple[str, ...] = ()) -> Question:
    return Question(number, "?", kind, "number" if kind == "how many" else "other", answer, (answer,) * 10, choices)


def test_scores_by_type() -> None:
    questions = {1: question(1, "how many", "2"), 2: question(2, "how many", "3"), 3: question(3, "what is the", "cat")}
    answers = {i: GivenAnswer((("2", 0.9), ("cat", 0.1))) for i in questions}
    scores = score(answers, questions)
    assert scores == pytest.approx(
        {
            "vqa_accuracy": 1 / 3,
            "vqa_accuracy_how_many": 1 / 2,
            "vqa_accuracy_what_is_the": 0,
            "vqa_accuracy_number": 1 / 2,
            "vqa_accuracy_other": 0,
        }
    )
    assert score(answers, questions, by_type=False) == pytest.approx({"vqa_accuracy": 1 / 3})
    assert score({1: answers[1]}, questions, by_type=False) == {"vqa_accuracy": 1.0}
    with pytest.raises(UserError, match="no answers to score"):
        score({}, questions)


def test_multiple_choice_is_scored_apart() -> None:
    questions = {i: question(i, "what", "cat", ("dog", "cat")) for i in (1, 2, 3)}
    answers = {i: GivenAnswer((("bird", 1.0),), choice) for i, choice in ((1, 0), (2, 1), (3, None))}
    scores = score(answers, questions, by_type=False)
    assert scores == pytest.approx({"vqa_accuracy": 0, "vqa_multiple_choice": 1 / 3})
