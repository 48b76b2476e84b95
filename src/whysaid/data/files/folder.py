"""What lies in a folder, without what systems and programs hide there."""

from pathlib import Path


def visible_files(folder: Path, below: bool = False) -> list[Path]:
    """Lists the files of a folder, sorted; those are left out whose name begins with a dot, as `._photo.jpg` of a Mac.

    Args:
        folder: it may itself lie in a hidden one.
        below: take the files of the folders in it too, but for those of hidden ones (`.cache/`).
    """
    paths = folder.rglob("*") if below else folder.iterdir()
    return sorted(path for path in paths if not _hidden(path.relative_to(folder)) and path.is_file())


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
