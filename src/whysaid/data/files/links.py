"""Symbolic links in a data set's folder, which somebody else may have packed."""

import os
from collections.abc import Iterable
from pathlib import Path

from whysaid.errors import UserError

_ANNOTATIONS = ("*.json", "*.txt", "*/*.json")
"""Where annotation files lie in the folder of a data set."""


def require_inside(path: Path, root: Path) -> None:
    """Raises UserError where a path below a folder leads out of it by a link."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise UserError(
            f"{path} is a link, or lies behind one, that leads out of {root}: put the files themselves there"
        )


def require_no_links_out(paths: Iterable[Path], root: Path) -> None:
    """Raises UserError where files of a data set, or annotation files beside them, lie outside of its folder by a link.

    The folder itself may be a link.

    Args:
        paths: of the files.
        root: the data set's folder.
    """
    annotations = (path for pattern in _ANNOTATIONS for path in root.glob(pattern))
    out = links_out((*paths, *annotations), root)
    if out:
        raise UserError(
            f"{len(out)} files of {root} lie elsewhere, behind symbolic links, the first is {out[0]}: if you made "
            "these links, add data.follow_links=true; if not, do not trust this data set"
        )


def links_out(paths: Iterable[Path], root: Path) -> list[Path]:
    """Lists those of the files below a folder that lie elsewhere, by a link of their own or of a folder on the way.

    Each folder is looked at once, so that a hundred thousand files take a tenth of a second.
    """
    home = root.resolve()
    by_folder: dict[Path, list[Path]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    out: list[Path] = []
    for folder, files in by_folder.items():
        if not folder.is_relative_to(root):
            continue  # the reader of the data set looks elsewhere of its own accord
        if not folder.resolve().is_relative_to(home):
            out += files
            continue
        with os.scandir(folder) as entries:
            links = {entry.name for entry in entries if entry.is_symlink()}
        out += [path for path in files if path.name in links and not path.resolve().is_relative_to(home)]
    return out
