"""Checkpoints: they are found, read and fitted here."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor, nn

from whysaid.data.features.familiarity import Familiarity
from whysaid.data.files.digest import file_digest
from whysaid.data.images import Preprocessing
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.vocabulary import Vocabulary
from whysaid.errors import UserError, is_out_of_memory
from whysaid.run.torch_file import HoldsCode, load_torch
from whysaid.run.trusted import TRUST, require_resolved, require_trusted

T = TypeVar("T")

_NOT_OURS = "give a checkpoint that `python -m src.train` of this project wrote"


class Origin(Protocol):
    """Where a model comes from: the path or name that it was asked for by, and a digest of its weights."""

    path: Path

    def sha256(self) -> str:
        """Of the weights, in hexadecimal digits."""
        ...


@dataclass
class Weights:
    """The part of a checkpoint that any door needs: plain containers and tensors, nothing pickled.

    path: the file. config: the run's resolved configuration. weights: of the model inside the LightningModule.
    """

    path: Path
    config: dict[str, Any]
    weights: dict[str, Tensor]

    def sha256(self) -> str:
        """Of the file, in hexadecimal digits."""
        return file_digest(self.path)

    def parts(self, *names: str) -> DictConfig:
        """Returns parts of the configuration, none of which names code that may not stand there.

        Args:
            names: groups of the configuration, such as `encoder`.

        Raises:
            UserError: a part is missing, or names code that is not this project's: it would be called.
        """
        return stored_parts(self.config, self.path, *names)


@dataclass
class Checkpoint(Weights):
    """The checkpoint of a model of words and photos, with its vocabulary and with the preprocessing of its encoder.

    familiarity: of photos, with those that it was trained on; None where the checkpoint holds none of these.
    mean_regions: (R, D), the mean of its training features, or None where its run did not store it.
    """

    vocabulary: Vocabulary
    preprocessing: Preprocessing
    familiarity: Familiarity | None = None
    mean_regions: Tensor | None = None


def read_checkpoint(path: str | Path, module: str = "captioner") -> Checkpoint:
    """Reads a checkpoint with `weights_only=True`: pickled code is refused.

    Args:
        path: of a `.ckpt`, or of the directory of a run, whose best is taken.
        module: name of the model inside the LightningModule.
    """
    path = checkpoint_path(path)

    def contents(raw: Mapping[str, Any]) -> Checkpoint:
        preprocessing, vocabulary = Preprocessing.from_dict(raw["preprocessing"]), Vocabulary(raw["vocabulary"])
        familiarity = Familiarity(raw["familiar"]) if "familiar" in raw else None
        weights, mean = _weights(raw, module), raw.get("mean_regions")
        return Checkpoint(Path(path), raw["config"], weights, vocabulary, preprocessing, familiarity, mean)

    return _read(path, module, contents)


def read_weights(path: str | Path, module: str, kind: str) -> Weights:
    """Reads a checkpoint that has no vocabulary, with `weights_only=True`.

    Args:
        path: of a `.ckpt`, or of the directory of a run, whose best is taken.
        module: name of the model inside the LightningModule.
        kind: of model, for errors.
    """
    path = checkpoint_path(path)

    def contents(raw: Mapping[str, Any]) -> Weights:
        weights = _weights(raw, module)
        if not weights:
            raise ValueError(f"no weights of a {kind} are in it")
        return Weights(Path(path), raw["config"], weights)

    return _read(path, kind, contents)


def _weights(raw: Mapping[str, Any], module: str) -> dict[str, Tensor]:
    start = f"{module}."
    weights = {name.removeprefix(start): value for name, value in raw["state_dict"].items() if name.startswith(start)}
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} is no tensor")
    return weights


def _read(path: str | Path, kind: str, contents: Callable[[Mapping[str, Any]], T]) -> T:
    """Returns what `contents` finds in a checkpoint; UserError where that is not there, or the file is not whole."""
    path = checkpoint_path(path)
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}: train one with `python -m src.train experiment=NAME`")
    try:
        raw = load_torch(Path(path), code=os.environ.get(TRUST) == "1")
        if not isinstance(raw["config"], Mapping):
            raise ValueError("it has no configuration")
        require_resolved(raw["config"], Path(path))
        return contents(raw)
    except UserError:
        raise
    except HoldsCode:
        reason = f"it holds code, which is run only for who trusts its author and sets {TRUST}=1"
        raise UserError(f"{path} is not a whole checkpoint of a {kind} ({reason}): train again") from None
    except Exception as error:  # what is in a foreign file may be of any kind
        if is_out_of_memory(error):
            raise
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise UserError(f"{path} is not a whole checkpoint of a {kind} ({reason}): train again") from error


def stored_parts(config: Mapping[str, Any], path: Path, *names: str) -> DictConfig:
    """Returns some groups of a stored configuration; UserError as of `Weights.parts`.

    Args:
        config: plain containers.
        path: of the checkpoint, for messages.
        names: of the groups.
    """
    lacking = [name for name in names if not isinstance(config.get(name), Mapping)]
    if lacking:
        raise UserError(f"{path} has a configuration without {lacking[0]}: {_NOT_OURS}")
    parts = {name: config[name] for name in names}
    require_trusted(parts, path)
    try:
        return OmegaConf.create(parts)
    except OmegaConfBaseException as error:
        raise UserError(
            f"{path} has a configuration that is none ({str(error).splitlines()[0]}): {_NOT_OURS}"
        ) from None


def checkpoint_path(path: str | Path) -> Path:
    """Returns the path of a checkpoint itself, or of the best one in the directory of a run.

    Raises:
        UserError: the directory holds no checkpoint, or it is no path.
    """
    if not isinstance(path, str | Path):
        raise UserError(f"one checkpoint is wanted here, not {path}: give ckpt=PATH")
    folder = Path(path)
    if not folder.is_dir():
        return folder
    for place in ("checkpoints/best.ckpt", "best.ckpt", "checkpoints/last.ckpt", "last.ckpt"):
        if (folder / place).is_file():
            return folder / place
    raise UserError(f"{folder} is a directory without checkpoints/best.ckpt: give that of a training, or a checkpoint")


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


def stored_files(path: str | Path) -> dict[str, str]:
    """Reads the configurations and the tokenizer of the model of transformers in a checkpoint: name → text."""
    return _read(path, "model of transformers", lambda raw: dict(raw["files"]))


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


def _require_fit(wanted: Mapping[str, Tensor], checkpoint: Weights) -> None:
    """Raises UserError where weights are others than a model's, or no numbers."""
    problem = _difference(wanted, checkpoint.weights)
    if problem:
        raise UserError(
            f"{checkpoint.path} does not fit this model ({problem}): "
            "use the model, encoder and sizes that it was trained with"
        )
    bad = first_non_finite(checkpoint.weights)
    if bad:
        raise UserError(f"{checkpoint.path} holds weights that are no numbers, the first in {bad}: train again")


def first_non_finite(weights: Mapping[str, Tensor]) -> str:
    """Returns the name of the first weights that hold NaN or an infinity; empty where all are numbers."""
    floating = ((name, value) for name, value in weights.items() if value.is_floating_point())
    return next((name for name, value in floating if not bool(value.isfinite().all())), "")


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
