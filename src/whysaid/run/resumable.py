"""The checkpoint of a run directory that training goes on from."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from whysaid.checkpoint import first_non_finite
from whysaid.errors import UserError
from whysaid.run.torch_file import Unreadable, load_torch

log = logging.getLogger(__name__)

LAYOUT: Mapping[str, type | tuple[type, ...]] = {
    "optimizer_states": list,
    "lr_schedulers": list,
    "loops": Mapping,
    "callbacks": Mapping,
    "epoch": int,
    "global_step": int,
}
"""What Lightning goes on from beside the weights, and what it is."""


def newest(folder: Path) -> Path:
    """Finds the checkpoint to continue from: `last.ckpt` in a run directory, or the newest other that is whole.

    Raises:
        UserError: there is none, or a folder lies in the place of `last.ckpt`, where the run would write its next one.
    """
    last = folder / "checkpoints" / "last.ckpt"
    if last.is_dir():
        raise UserError(f"{last} is a folder, and a run writes its checkpoint there: move it away")
    others = sorted(last.parent.glob("*.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    if not others:
        raise UserError(f"{folder} holds no checkpoints/last.ckpt: the run ended before its first one; start it anew")
    problems = {}
    for path in sorted(others, key=lambda path: path != last):
        problems[path] = unfit(path)
        if not problems[path]:
            if path != last:
                why = f"is not whole ({problems[last]})" if last in problems else "is missing"
                log.warning("%s %s: the run goes on from %s", last, why, path.name)
            return path
    path, problem = next(iter(problems.items()))
    raise UserError(f"{path} is not a whole checkpoint ({problem}), and no other is there: start the run anew")


def unfit(path: Path) -> str:
    """Says why training cannot go on from a file; empty where it can."""
    try:
        content = _content(path)
    except Unreadable as error:
        return str(error)
    for name, kind in LAYOUT.items():
        if name not in content:
            return f"it has no {name}"
        if not isinstance(content[name], kind):
            return f"its {name} is of another kind"
    if not content["optimizer_states"] or not all(_has(state, "state") for state in content["optimizer_states"]):
        return "it has no state of an optimiser"
    if not any(_has(value, "epoch", "batches") for value in content.values()):
        return "it has no place in the data"
    return ""


def damage(path: Path) -> str:
    """Says what is wrong with a checkpoint whose weights alone are wanted; empty where nothing is."""
    try:
        _content(path)
    except Unreadable as error:
        return str(error)
    return ""


def _content(path: Path) -> Mapping[str, Any]:
    """Reads a checkpoint; Unreadable where it is damaged or its weights are no numbers."""
    if not path.exists():
        raise Unreadable("it is missing")
    content = load_torch(path)
    weights = content.get("state_dict") if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise Unreadable("it has no weights")
    bad = first_non_finite(weights)
    if bad:
        raise Unreadable(f"{bad} in it is no number")
    return content


def _has(value: Any, *names: str) -> bool:
    return isinstance(value, Mapping) and set(names) <= set(value)
