"""Checkpoints: they are found, read and fitted here."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar
from zipfile import is_zipfile

import torch
from torch import Tensor, nn

from whysaid.data.images import Preprocessing
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.vocabulary import Vocabulary
from whysaid.errors import UserError
from whysaid.run.trusted import TRUST, require_resolved, require_trusted_parts

T = TypeVar("T")

_NOT_OURS = "give a checkpoint that `python -m src.train` of this project wrote"

log = logging.getLogger(__name__)


@dataclass
class Weights:
    """The part of a checkpoint that any door needs: plain containers and tensors, nothing pickled.

    path: the file. config: the run's resolved configuration. weights: of the model inside the LightningModule.
    """

    path: Path
    config: dict[str, Any]
    weights: dict[str, Tensor]

    def parts(self, *names: str) -> dict[str, Any]:
        """Returns name → that part of the configuration, none of which names code that may not stand there.

        Args:
            names: groups of the configuration, such as `encoder`.

        Raises:
            UserError: a part is missing, or names code that is not this project's: it would be called.
        """
        lacking = [name for name in names if not isinstance(self.config.get(name), Mapping)]
        if lacking:
            raise UserError(f"{self.path} has a configuration without {lacking[0]}: {_NOT_OURS}")
        parts = {name: self.config[name] for name in names}
        require_trusted_parts(parts, self.path)
        return parts


@dataclass
class Checkpoint(Weights):
    """The checkpoint of a model of words and photos, with its vocabulary and with the preprocessing of its encoder."""

    vocabulary: Vocabulary
    preprocessing: Preprocessing


def read_checkpoint(path: str | Path, module: str = "captioner") -> Checkpoint:
    """Reads a checkpoint with `weights_only=True`: pickled code is refused.

    Args:
        path: of a `.ckpt`.
        module: name of the model inside the LightningModule.
    """

    def contents(raw: Mapping[str, Any]) -> Checkpoint:
        preprocessing, vocabulary = Preprocessing.from_dict(raw["preprocessing"]), Vocabulary(raw["vocabulary"])
        return Checkpoint(Path(path), raw["config"], _weights(raw, module), vocabulary, preprocessing)

    return _read(path, module, contents)


def read_weights(path: str | Path, module: str, kind: str) -> Weights:
    """Reads a checkpoint that has no vocabulary, with `weights_only=True`.

    Args:
        path: of a `.ckpt`.
        module: name of the model inside the LightningModule.
        kind: of model, for errors.
    """

    def contents(raw: Mapping[str, Any]) -> Weights:
        weights = _weights(raw, module)
        if not weights:
            raise ValueError(f"no weights of a {kind} are in it")
        return Weights(Path(path), raw["config"], weights)

    return _read(path, kind, contents)


def _weights(raw: Mapping[str, Any], module: str) -> dict[str, Tensor]:
    start = f"{module}."
    return {name.removeprefix(start): value for name, value in raw["state_dict"].items() if name.startswith(start)}


def _read(path: str | Path, kind: str, contents: Callable[[Mapping[str, Any]], T]) -> T:
    """Returns what `contents` finds in a checkpoint; UserError where that is not there, or the file is not whole."""
    if not isinstance(path, str | Path):
        raise UserError(f"one checkpoint is wanted here, not {path}: give ckpt=PATH")
    if not Path(path).is_file():
        raise UserError(f"there is no checkpoint {path}: train one with `python -m src.train experiment=NAME`")
    try:
        raw = torch.load(path, "cpu", weights_only=os.environ.get(TRUST) != "1")
        require_resolved(raw.get("config"), Path(path))
        return contents(raw)
    except UserError:
        raise
    except Exception as error:  # torch raises many kinds for a truncated or foreign file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, UnpicklingError) and is_zipfile(path):
            reason = f"it holds code, which is run only for who trusts its author and sets {TRUST}=1"
        raise UserError(f"{path} is not a whole checkpoint of a {kind} ({reason}): train again") from error


def stored_config(path: str | Path) -> dict[str, Any]:
    """Reads the resolved configuration of the run that a checkpoint comes from."""
    return _read(path, "model", lambda raw: dict(raw["config"]))


def stored_assembly(path: str | Path) -> str:
    """Reads the name of the module that assembles a checkpoint's model; UserError where the checkpoint does not say."""
    name = stored_config(path).get("assemble")
    if not isinstance(name, str):
        raise UserError(f"{path} does not say of which task it is (`assemble` in its configuration): {_NOT_OURS}")
    return name


def stored_answers(path: str | Path) -> AnswerVocabulary:
    """Reads the answers of the VQA model in a checkpoint."""
    return _read(path, "VQA model", lambda raw: AnswerVocabulary(raw["answers"]))


def fit_weights(model: nn.Module, checkpoint: Weights) -> None:
    """Loads the weights; UserError, naming the first that differs, where the architecture is another."""
    _require_fit(model.state_dict(), checkpoint)
    model.load_state_dict(checkpoint.weights)


def fit_beginning(model: nn.Module, checkpoint: Weights) -> list[str]:
    """Loads the weights into a model that may have further layers, and returns the names of these layers' weights.

    UserError, naming the first that differs, where the checkpoint has others than the model, or of other shapes.
    """
    own, given = model.state_dict(), checkpoint.weights
    _require_fit({name: value for name, value in own.items() if name in given}, checkpoint)
    model.load_state_dict(given, strict=False)
    return [name for name in own if name not in given]


def require_vocabulary(own: Vocabulary, checkpoint: Checkpoint) -> None:
    """Raises UserError where the vocabulary of a data set is not that of the checkpoint."""
    if own.words != checkpoint.vocabulary.words:
        raise UserError(
            f"{checkpoint.path} has a vocabulary of {len(checkpoint.vocabulary)} words that is not this data's "
            f"({len(own)} words): use the data set and data.min_count that it was trained with"
        )


def newest(folder: Path) -> Path:
    """Finds the checkpoint to continue from: `last.ckpt` in a run directory, or the newest other that is whole."""
    last = folder / "checkpoints" / "last.ckpt"
    others = sorted(last.parent.glob("*.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    if not others:
        raise UserError(f"{folder} holds no checkpoints/last.ckpt: the run ended before its first one; start it anew")
    for path in sorted(others, key=lambda path: path != last):
        if _is_whole(path):
            if path != last:
                log.warning("%s is missing or not whole: the run goes on from %s", last, path.name)
            return path
    return others[0] if last not in others else last  # whoever reads it says what is wrong with it


def _is_whole(path: Path) -> bool:
    """Tells whether training can go on from a file."""
    try:
        content = torch.load(path, "cpu", weights_only=True, mmap=True)
    except Exception:  # torch raises many kinds for a truncated or foreign file
        return False
    return {"state_dict", "optimizer_states", "loops"} <= set(content)


def _require_fit(wanted: Mapping[str, Tensor], checkpoint: Weights) -> None:
    problem = _difference(wanted, checkpoint.weights)
    if problem:
        raise UserError(
            f"{checkpoint.path} does not fit this model ({problem}): "
            "use the model, encoder and sizes that it was trained with"
        )


def _difference(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    missing, extra = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    shapes = [name for name in wanted.keys() & given.keys() if wanted[name].shape != given[name].shape]
    if missing:
        return f"it lacks {missing[0]}"
    if extra:
        return f"it has {extra[0]}, which the model lacks"
    if shapes:
        name = min(shapes)
        return f"{name} is {tuple(given[name].shape)}, the model has {tuple(wanted[name].shape)}"
    return ""
