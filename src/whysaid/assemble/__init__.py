"""From a configuration, or a checkpoint, to the objects that it names: one module for each task."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from whysaid.checkpoint import stored_assembly
from whysaid.errors import UserError

if TYPE_CHECKING:
    from whysaid.assemble.subject import Subject

MODULES = tuple(f"whysaid.assemble.{task}" for task in ("captioning", "inpainting", "vqa"))
"""The modules of the tasks."""


def assembly(name: str) -> ModuleType:
    """The module that a configuration names as `assemble`, with its `build_task` and its `build_evaluation`."""
    if name not in MODULES:
        raise UserError(f"assemble={name} is none of {', '.join(MODULES)}: leave it to the task group")
    return import_module(name)


def stored_builder(path: str | Path, name: str) -> Callable[..., Any]:
    """`build_evaluation` or `build_subject` of the task that a checkpoint is of.

    Raises:
        UserError: there is no such checkpoint, or it is of no task, or of one that has no such function.
    """
    module = stored_assembly(path)
    builder: Callable[..., Any] | None = getattr(assembly(module), name, None)
    if builder is None:
        task = module.rpartition(".")[2]
        raise UserError(f"{path} is of {task}, which says no words to explain: give a captioner's or a VQA model's")
    return builder


def load(ckpt: str | Path) -> "Subject":
    """The model of a checkpoint, ready to explain what it says of photos; on the CPU, in evaluation mode.

    Args:
        ckpt: a `.ckpt` of a captioner or of a VQA model.

    Raises:
        UserError: there is no such checkpoint, it is damaged, or its model says no words.
    """
    subject: Subject = stored_builder(ckpt, "build_subject")(str(ckpt))
    return subject
