"""Words that carry grammar: studies and objectives treat them apart from words that speak of the image."""

from pathlib import Path

import yaml


def _read() -> frozenset[str]:
    groups = yaml.safe_load(Path(__file__).with_name("stop_words.yaml").read_text(encoding="utf-8"))
    return frozenset(word for words in groups.values() for word in words)


STOP_WORDS: frozenset[str] = _read()
"""Lower-case English stop words."""
