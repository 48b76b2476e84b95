"""Letters of any script, or a word about those that nobody can draw."""

import logging

import pytest
from matplotlib.font_manager import fontManager

from whysaid.figures import fonts
from whysaid.figures.fonts import DEFAULT, families
from whysaid.figures.text import width_of


@pytest.fixture(autouse=True)
def forgotten() -> None:
    fonts._family_with.cache_clear()
    fonts._letters_without_font.clear()
    width_of.cache_clear()


@pytest.mark.parametrize("text", ["a dog", "crème brûlée", "мальчик", "رجل", "β = 0.5 … −1"])
def test_the_default_font_has_most_alphabets(text: str) -> None:
    assert families(text) == [DEFAULT]


def test_another_font_lends_the_letters_that_the_default_lacks() -> None:
    script = "\U0001d4d0"  # a mathematical letter, which a font of matplotlib's own has
    default, other = families(f"a {script}")
    assert default == DEFAULT and not other.startswith("Last Resort")
    assert width_of(script, 12) > 0


def test_letters_that_no_font_has_are_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fontManager, "ttflist", [])
    with caplog.at_level(logging.WARNING):
        assert families("一 只 狗") == families("一 dog") == [DEFAULT]
    (record,) = caplog.records
    assert "no installed font has the letter 一" in record.message
