"""Answers as the VQA evaluation compares them."""

import pytest

from whysaid.data.questions.answers import AnswerVocabulary, normalised


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", "yes"),
        ("  a   Dog \n", "dog"),
        ("the man and an apple", "man and apple"),
        ("none", "0"),
        ("two dogs", "2 dogs"),
        ("ten", "10"),
        ("eleven", "eleven"),
        ("dont know", "don't know"),
        ("cant", "can't"),
        ("don't", "don't"),
        ("itd", "it'd"),
        ("its", "its"),
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("yall'd've", "y'all'd've"),
        ("oclock", "o'clock"),
        ("somebody'd", "somebodyd"),
        ("wed", "wed"),  # a word of its own
        ("ive", "ive"),  # listed with a capital, and looked up without: never found
        ("yes.", "yes"),
        ("2.5", "2.5"),
        ("3.", "3"),
        ("p.m.", "pm"),
        ("1,000", "1000"),
        ("1,000-2,000", "10002000"),
        ("red, white", "red white"),
        ("red,white", "red white"),
        ("t-shirt", "t shirt"),
        ("24/7", "24 7"),
        ("black & white", "black & white"),
        ("what?!", "what"),
        ("(left)", "left"),
        ("5 o'clock", "5 o'clock"),
        ("$5", "$5"),
        ("the", ""),
    ],
)
def test_known_cases(answer: str, expected: str) -> None:
    assert normalised(answer) == expected


def test_normalising_twice_changes_nothing_but_what_punctuation_leaves() -> None:
    for answer in ("Two dogs!", "1,000", "cant", "somebody'd", "the t-shirt"):
        assert normalised(normalised(answer)) == normalised(answer)


def test_the_most_frequent_answers_are_kept() -> None:
    answers = ["Yes", "yes.", "no", "two", "2", "2", "red", "blue"]
    vocabulary = AnswerVocabulary.build(answers, 3)
    assert vocabulary.answers == ["2", "yes", "blue"] and len(vocabulary) == 3
    assert vocabulary.encode(["YES!", "TWO", "no"]) == [1, 0, -1]
    assert "two" in vocabulary and "red" not in vocabulary
    assert AnswerVocabulary.build(["the", "a dog"], 5).answers == ["dog"]
    with pytest.raises(ValueError, match="once"):
        AnswerVocabulary(["a", "a"])
