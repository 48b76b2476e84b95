"""From a configuration, or a checkpoint, to the objects that it names: one module for each task."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from whysaid.checkpoint import stored_assembly
from whysaid.errors import UserError

if TYPE_CHECKING:
    from whysaid.assemble.subject import Subject

MODULES = tuple(f"whysaid.assemble.{task}" for task in ("captioning", "inpainting", "tuned", "vqa"))
"""The modules of the tasks."""

PRETRAINED = "hf:"
"""What a model of transformers is asked for by, in place of a checkpoint: `hf:NAME_OR_FOLDER`."""

HUB_OPTIONS = ("revision", "dtype", "device")
"""What only such a model may be given."""


def assembly(name: str) -> ModuleType:
    """The module that a configuration names as `assemble`, with its `build_task` and its `build_evaluation`."""
    if name not in MODULES:
        raise UserError(f"assemble={name} is none of {', '.join(MODULES)}: leave it to the task group")
    return import_module(name)


def stored_builder(path: str | Path, name: str) -> Callable[..., Any]:
    """`build_evaluation` or `build_subject` of the task that a checkpoint is of, or of models of transformers.

    Raises:
        UserError: there is no such checkpoint, or it is of no task, or of one that has no such function.
    """
    if str(path).startswith(PRETRAINED):
        pretrained: Callable[..., Any] = getattr(import_module("whysaid.assemble.pretrained"), name)
        return pretrained
    module = stored_assembly(path)
    builder: Callable[..., Any] | None = getattr(assembly(module), name, None)
    if builder is None:
        task = module.rpartition(".")[2]
        raise UserError(f"{path} is of {task}, which says no words to explain: give a captioner's or a VQA model's")
    return builder


def load(
    ckpt: str | Path, revision: str | None = None, dtype: str | None = None, device: str | None = None
) -> "Subject":
    """The model of a checkpoint, ready to explain what it says of photos; in evaluation mode.

    Args:
        ckpt: a `.ckpt` of a captioner or of a VQA model, or `hf:NAME_OR_FOLDER`, a model of transformers.
        revision: of such a model: branch, tag or commit of the hub.
        dtype: of such a model: `float32`, the default, `bfloat16` or `float16`.
        device: of such a model: such as `cuda`; all others are on the CPU.

    Raises:
        UserError: there is no such checkpoint, it is damaged, or its model says no words.
    """
    return open_subject(ckpt, None, {"revision": revision, "dtype": dtype, "device": device})


def open_subject(ckpt: str | Path, decoding: Any, options: Mapping[str, Any]) -> "Subject":
    """The same with a decoding of its own, as the doors ask for it.

    Args:
        ckpt: as `load` takes it.
        decoding: values of the configuration's group in place of the model's own.
        options: a configuration that has those of a model of transformers, and `support`, among its keys.

    Raises:
        UserError: as `load`, or a checkpoint is given an option of a model of transformers.
    """
    builder = stored_builder(ckpt, "build_subject")
    subject: Subject = builder(str(ckpt), decoding, options.get("support"), **hub_options(ckpt, options))
    return subject


def hub_options(ckpt: str | Path, options: Mapping[str, Any], names: Sequence[str] = HUB_OPTIONS) -> dict[str, Any]:
    """Those of the named options that are given; UserError where the model is none of transformers."""
    given = {name: options[name] for name in names if options.get(name) is not None}
    if given and not str(ckpt).startswith(PRETRAINED):
        raise UserError(f"{next(iter(given))}= is of models of transformers, ckpt=hf:NAME_OR_FOLDER: leave it out")
    return given
