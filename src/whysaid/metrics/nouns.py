"""Which things a caption names, whatever they are: its nouns, without a list of objects."""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).with_name("not_objects.yaml")


@lru_cache(maxsize=100_000)
def nouns(caption: str) -> tuple[str, ...]:
    """The things that a caption names, in lower case, each once and in order; nouns that follow one another are one.

    Tags are those of TextBlob's pattern tagger, a lexicon with rules. Nouns that name no thing, such as `picture` or
    `side`, are left out by `not_objects.yaml`, and so is one that stands for many things, such as `group`.

    >>> nouns("A group of people near a fire hydrant.")
    ('people', 'fire hydrant')
    """
    phrases: list[list[str]] = []
    going_on = False
    for word, tag in _tagger().tag(caption.lower(), tokenize=True):
        noun = tag.startswith("NN") and word not in _not_objects()
        if noun and going_on:
            phrases[-1].append(word)
        elif noun:
            phrases.append([word])
        going_on = noun
    return tuple(dict.fromkeys(" ".join(phrase) for phrase in phrases))


@cache
def _tagger() -> Any:
    from textblob.en.taggers import PatternTagger  # takes seconds to import, and only this metric needs it

    return PatternTagger()


@cache
def _not_objects() -> frozenset[str]:
    return frozenset(yaml.safe_load(PATH.read_text(encoding="utf-8")))
