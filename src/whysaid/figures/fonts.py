"""Fonts that have the letters of a text: matplotlib's own, and for letters that it lacks another that is installed."""

import logging
from functools import cache

from matplotlib.font_manager import fontManager, get_font

DEFAULT = "DejaVu Sans"
"""Comes with matplotlib, and has the letters of most alphabets; not those of Chinese, Japanese, Korean, Hindi, Thai."""

log = logging.getLogger(__name__)


def families(text: str) -> list[str]:
    """Lists the families to draw a text with, the default first.

    Letters that no installed font has are drawn as boxes, and named in a warning, once.
    """
    if text.isascii():
        return [DEFAULT]
    others = [family for letter in dict.fromkeys(text) if (family := _family_with(letter))]
    return list(dict.fromkeys([DEFAULT, *others]))


@cache
def _family_with(letter: str) -> str | None:
    if not letter.isalnum() or _has(fontManager.findfont(DEFAULT), letter):
        return None
    fonts = sorted(fontManager.ttflist, key=lambda font: (font.weight != 400 or font.style != "normal", font.name))
    for font in fonts:
        if not font.name.startswith(_PLACEHOLDERS) and _has(font.fname, letter):
            return font.name
    if not _letters_without_font:
        log.warning(
            "no installed font has the letter %s: pictures show a box for it and its like, until a font of that script "
            "is installed, such as Debian's fonts-noto-cjk; report.html uses the fonts of the browser",
            letter,
        )
    _letters_without_font.add(letter)
    return None


_letters_without_font: set[str] = set()


_PLACEHOLDERS = ("Last Resort", "LastResort", ".LastResort", "Adobe Blank")
"""Beginnings of the names of families that have a box for every letter."""


@cache
def _letters_of(path: str) -> frozenset[int]:
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a font that FreeType cannot read
        return frozenset()


def _has(path: str, letter: str) -> bool:
    return ord(letter) in _letters_of(path)
