"""Text is UTF-8 whatever the locale: each file of text is read and written with its encoding."""

import ast
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src"


def without_encoding(path: Path) -> list[str]:
    """Calls of `read_text` and `write_text` that leave the encoding to the locale."""
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return [
        f"{path}:{call.lineno}"
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("read_text", "write_text")
        and "encoding" not in {keyword.arg for keyword in call.keywords}
    ]


def test_files_of_text_are_read_with_their_encoding() -> None:
    assert [place for path in sorted(SOURCES.rglob("*.py")) for place in without_encoding(path)] == []
