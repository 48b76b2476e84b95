"""Which objects a caption speaks of."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import regex
import yaml

from whysaid.data.words import LETTERS, composed

_WORD = regex.compile(LETTERS)

_IRREGULAR = {
    "calf": "calves",
    "child": "children",
    "foot": "feet",
    "german": "germans",
    "goose": "geese",
    "half": "halves",
    "human": "humans",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "mouse": "mice",
    "ottoman": "ottomans",
    "ox": "oxen",
    "person": "people",
    "potato": "potatoes",
    "shelf": "shelves",
    "scarf": "scarves",
    "tomato": "tomatoes",
    "tooth": "teeth",
    "wolf": "wolves",
}
_UNCHANGED = {"aircraft", "bison", "busses", "cattle", "children", "deer", "fish", "men", "moose", "people"}
_UNCHANGED |= {"persons", "scissors", "sheep", "skis", "women"}
"""One form for both numbers, or plural already."""


def plural(noun: str) -> str:
    """The plural of an English noun, or of a phrase's last word: `bus` → `buses`, `wine glass` → `wine glasses`."""
    *before, word = noun.split(" ")
    return " ".join([*before, _plural_word(word)])


def _plural_word(word: str) -> str:
    if word in _UNCHANGED:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("man"):
        return word[:-3] + "men"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + "s"


class Mention(NamedTuple):
    """An object in a caption: its category, and the places of the first and of the last word that name it."""

    category: str
    first: int
    last: int


class ObjectWords:
    """Finds object categories in captions by a table of words, in singular and plural.

    Forms are generated from the table and looked up, the longest phrase first, so that no caption word is ever cut
    down to a stem: `glasses` stays whole, and a `hot dog` holds no dog.

    Args:
        categories: category → its words and phrases in the singular (or as they stand: `people`, `scissors`). The
            category's own name always counts.
        not_objects: phrases that mention no object although a word of theirs would: `toilet paper`, `train track`.
    """

    def __init__(self, categories: Mapping[str, Sequence[str]], not_objects: Iterable[str] = ()):
        self.categories = tuple(categories)
        self._forms: dict[tuple[str, ...], str | None] = {}
        for phrase in not_objects:
            self._add(phrase, None)
        for category, words in categories.items():
            for phrase in (category, *words):
                self._add(phrase, category)
        self._longest = max(map(len, self._forms), default=0)

    def _add(self, phrase: str, category: str | None) -> None:
        singular = " ".join(_words(phrase))
        for form in (singular, plural(singular)):
            self._forms.setdefault(tuple(form.split(" ")), category)

    @property
    def forms(self) -> Mapping[tuple[str, ...], str | None]:
        """Each word or phrase, in singular and plural, as its words → the category, or None for no object."""
        return self._forms

    def mentioned(self, caption: str) -> list[str]:
        """The category of each mention, in the caption's order; a category mentioned twice stands there twice."""
        return [mention.category for mention in self.located(caption)]

    def located(self, caption: str) -> list[Mention]:
        """Each mention with its place among the caption's words, which white space separates."""
        parts = [(part, place) for place, word in enumerate(caption.split()) for part in _words(word)]
        words, mentions, i = [part for part, _ in parts], [], 0
        while i < len(words):
            length, category = self._longest_at(words, i)
            if category is not None:
                mentions.append(Mention(category, parts[i][1], parts[i + length - 1][1]))
            i += length
        return mentions

    def _longest_at(self, words: list[str], i: int) -> tuple[int, str | None]:
        for length in range(min(self._longest, len(words) - i), 0, -1):
            form = tuple(words[i : i + length])
            if form in self._forms:
                return length, self._forms[form]
        return 1, None


def coco_objects() -> ObjectWords:
    """The 80 categories of COCO with their synonyms, in the manner of CHAIR (Rohrbach et al. 2018)."""
    return ObjectWords(**yaml.safe_load(Path(__file__).with_name("coco_objects.yaml").read_text(encoding="utf-8")))


def _words(text: str) -> list[str]:
    """Lower-case words; hyphens and underscores part them, and a possessive 's is dropped."""
    return _WORD.findall(re.sub(r"['’]s\b", " ", composed(text).lower()))
