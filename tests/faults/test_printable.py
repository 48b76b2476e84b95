"""Words and file names of other people that a terminal would obey."""

import io
import logging
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.table import Kind
from tests.running import run_door
from whysaid.doors.results import metrics_table
from whysaid.run.printable import PrintableFormatter, Printer, printable

NAMES = Kind(
    "Words and file names that a terminal would obey",
    "Lines, tables and logs show an escape in the place of each such character.",
    {
        "an escape that clears the screen": "a\x1b[2Jb",
        "an escape that changes the title of the window": "a\x1b]0;title\x07b",
        "an escape of one byte, without ESC": "a\x9b2Jb",
        "a line feed, which begins a forged line": "a\nerror: all is well",
        "a carriage return, which writes over the line": "a\rb",
        "a backspace, which takes letters away": "a\x08\x08b",
        "a form feed": "a\x0cb",
        "a zero byte": "a\0b",
        "a separator of lines": "a\u2028b",
        "a mark that turns the order of letters round": "photo\u202egpj.exe",
        "a mark that isolates the order of letters": "a\u2066b",
        "a letter of no width": "a\ufeffb",
        "a byte that is no UTF-8": "a\udcffb",
    },
)


def harmless(text: str) -> bool:
    """Whether a text is one line that can be written down and does nothing."""
    return text.encode("utf-8").decode() == text and text.isprintable()


@NAMES.rows()
def test_a_line(fault: str) -> None:
    shown = printable(fault)
    assert harmless(shown) and shown[0] == fault[0] and shown.encode().decode("unicode_escape") == fault


@NAMES.rows()
@pytest.mark.parametrize("argument", [str, Path, ValueError], ids=lambda kind: kind.__name__)
def test_a_line_of_a_log(fault: str, argument: type) -> None:
    record = logging.LogRecord("a", logging.WARNING, "a.py", 1, "%s of %d", (argument(fault), 2), None)
    line = PrintableFormatter("%(levelname)s %(message)s").format(record)
    assert line == f"WARNING {printable(fault)} of 2" and harmless(line)
    assert record.args == (record.args[0], 2) and str(record.args[0]) == fault  # others see the record as it was


@NAMES.rows()
def test_a_cell_of_a_table(fault: str) -> None:
    out = io.StringIO()
    Printer(file=out, width=200, force_terminal=True, color_system=None).print(metrics_table({f"test/{fault}": 0.5}))
    assert f"test/{printable(fault)}" in out.getvalue()
    assert all(harmless(line) for line in out.getvalue().split("\n"))


def test_letters_of_any_script_stay() -> None:
    for text in ("ein Hühnchen", "一只狗", "می\u200cخواهم", "क्\u200dष", "👩\u200d🚀", "[b]", "[/]", ":dog:", r"\n"):
        assert printable(text) == text


def test_a_cell_is_no_markup() -> None:
    out = io.StringIO()
    Printer(file=out, width=200).print(metrics_table({"test/[/][red]:dog:": 0.5}))
    assert "test/[/][red]:dog:" in out.getvalue()


def test_a_message_may_have_lines_of_its_own() -> None:
    record = logging.LogRecord("a", logging.INFO, "a.py", 1, "a\n\tb\x1b\n%s", ("c\nd",), None)
    assert PrintableFormatter("%(message)s").format(record) == "a\n\tb\\x1b\nc\\nd"


def test_a_photo_of_such_a_name(finished: Path, places: list[str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (48, 48)).save(tmp_path / "photos" / "a\x1b[2J.png")
    (tmp_path / "photos" / "b\x1b[2J\n.png").write_text("no photo")
    ran = run_door("explain", f"ckpt={finished}", f"image={tmp_path}/photos", *places)
    assert ran.code == 0 and r"a\x1b[2J.png: " in ran.out and r"b\x1b[2J\n.png cannot be read" in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_an_error_about_such_a_name(finished: Path, places: list[str], tmp_path: Path) -> None:
    error = run_door("explain", f"ckpt={finished}", f'image="{tmp_path}/a\x1b[2J.png"', *places).error
    assert r"a\x1b[2J.png" in error
