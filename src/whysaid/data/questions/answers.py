"""Answers as text: how the VQA evaluation writes them before it compares, and the ones a model can give."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

_ARTICLES = {"a", "an", "the"}

_NUMBERS = {"none": "0"} | {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}

_CONTRACTED = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's
how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock
oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd
someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's
they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've
y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""

# each is looked up as it stands with one of its apostrophes left out; without one that would be another word (she'd) it
# is not in the list, and of somebody'd the evaluation takes the apostrophe away
_CONTRACTIONS = {
    word[:i] + word[i + 1 :]: word for word in _CONTRACTED.split() for i, letter in enumerate(word) if letter == "'"
} | {"somebody'd": "somebodyd"}

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_THOUSANDS = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")


@cache
def normalised(answer: str) -> str:
    """An answer as the official VQA evaluation compares it.

    Punctuation goes (a space takes its place between letters), numbers up to ten become digits, articles go, lost
    apostrophes come back, and all is in lower case.

    >>> normalised("The two dogs, dont bark!")
    "2 dogs don't bark"
    """
    words = _without_punctuation(" ".join(answer.split())).lower().split()
    counted = (_NUMBERS.get(word, word) for word in words)
    return " ".join(_CONTRACTIONS.get(word, word) for word in counted if word not in _ARTICLES)


def _without_punctuation(text: str) -> str:
    """Drops marks beside a space, and every mark of a text with a number such as 1,000; others become spaces."""
    stripped = text
    drop = _THOUSANDS.search(text) is not None
    for mark in _PUNCTUATION:
        beside_space = f"{mark} " in text or f" {mark}" in text
        stripped = stripped.replace(mark, "" if drop or beside_space else " ")
    return _PERIOD.sub("", stripped)


class AnswerVocabulary:
    """The answers that a model chooses among; a plain list of strings, most frequent first.

    Those of models trained here are normalised, and others are found by their normalised form too.
    """

    def __init__(self, answers: Sequence[str]):
        """Raises ValueError where `answers` holds one twice, or one that is no text."""
        if not all(isinstance(answer, str) for answer in answers) or len(set(answers)) != len(answers):
            raise ValueError("an answer vocabulary holds each answer once")
        self.answers = list(answers)
        forms = {normalised(answer): i for i, answer in reversed(list(enumerate(answers)))}
        self.index = forms | {answer: i for i, answer in enumerate(answers)}

    @classmethod
    def build(cls, answers: Iterable[str], size: int) -> "AnswerVocabulary":
        """Takes the `size` most frequent of a training split's answers, then by name; the paper: 3,000."""
        counts = Counter(map(normalised, answers))
        ranked = sorted(counts, key=lambda answer: (-counts[answer], answer))
        return cls([answer for answer in ranked if answer][:size])

    def __len__(self) -> int:
        return len(self.answers)

    def __contains__(self, answer: str) -> bool:
        return self.encode([answer]) != [-1]

    def spelled(self, answer: str) -> str:
        """An answer that it holds, as it stands here (KeyError)."""
        return self.answers[self.index[answer if answer in self.index else normalised(answer)]]

    def encode(self, answers: Iterable[str]) -> list[int]:
        """Index of each answer, −1 for one that is not in the vocabulary."""
        return [self.index.get(answer, self.index.get(normalised(answer), -1)) for answer in answers]
