"""What is written for people: words and file names of other people, without what would act on a terminal.

A word of a vocabulary, or the name of a photo, may hold the escapes by which a terminal is told to clear its screen, a
line feed that begins a forged line, or marks that turn the order of letters round. Lines, tables and logs all pass
through here.
"""

import logging
import unicodedata
from copy import copy
from pathlib import PurePath
from typing import Any

from rich.console import Console
from rich.text import Text

_ESCAPED = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what is no letter: control, format, surrogate (a byte that is no UTF-8), end of a line."""

_JOINERS = "\u200c\u200d"
"""Format characters that the spelling of Persian and of Indian languages needs."""


def printable(text: object, lines: bool = False) -> str:
    r"""Returns a text in which whatever cannot be printed is written as an escape, such as `\x1b` or `\n`.

    Args:
        text: anything that has a text.
        lines: leave line feeds and tabs as they are.
    """
    kept = _JOINERS + "\n\t" if lines else _JOINERS
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(char) if unicodedata.category(char) in _ESCAPED and char not in kept else char for char in text
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class PrintableFormatter(logging.Formatter):
    """Formats records of a log: what is filled into a message stays on its line, and nothing acts on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        shown = copy(record)
        if isinstance(record.args, tuple):
            shown.args = tuple(_filled(value) for value in record.args)
        shown.msg, shown.args = printable(shown.getMessage(), lines=True), ()
        return super().format(shown)


def _filled(value: Any) -> Any:
    """Returns what stands for an argument of a message: numbers as they are, so that `%d` takes them."""
    return printable(value) if isinstance(value, str | PurePath | BaseException) else value


class Printer(Console):
    """A console for tables whose cells are text alone: no markup, no emoji codes, nothing that acts on a terminal."""

    def __init__(self, **settings: Any):
        super().__init__(markup=False, emoji=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:  # type: ignore[override]
        """Makes what is shown of a cell, a heading or a line."""
        return super().render_str(printable(text), **settings)


def encodable(text: object) -> str:
    r"""Returns a text for a file or a table, in which a byte of a file name that is no UTF-8 is written as `\udcff`.

    Nothing else is changed: what is printed goes through `printable`.
    """
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def encodable_values(values: Any) -> Any:
    """Returns the same plain containers with encodable texts in them."""
    if isinstance(values, dict):
        return {encodable_values(key): encodable_values(value) for key, value in values.items()}
    if isinstance(values, list):
        return [encodable_values(value) for value in values]
    return encodable(values) if isinstance(values, str) else values


def plain_stem(path: PurePath) -> str:
    """Returns a file's name without its ending, for the names of other files: a byte that is no UTF-8 is `_udcff`."""
    stem = encodable(path.stem)
    return stem if stem == path.stem else stem.replace("\\", "_")
