"""Files that are whole or not there at all."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """A text file, written under another name and renamed."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)
