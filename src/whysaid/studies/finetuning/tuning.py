"""Trainings that start from one checkpoint and differ in what they are trained for."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from whysaid.checkpoint import checkpoint_path, stored_config, stored_parts
from whysaid.data.files.digest import file_digest
from whysaid.data.files.kept import load_json, loaded
from whysaid.data.files.whole import write_whole
from whysaid.errors import UserError

Train = Callable[[DictConfig, Path, Path | None], Any]
"""`whysaid.doors.train.train`: trains what a configuration says in a folder, or on from a checkpoint."""

KEPT = ("encoder", "model", "optimizer", "trainer", "embedder")
"""What a tuning takes over from the run that its checkpoint is of, beside the data and the decoding."""

FINISHED = "finished.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A finished training. seconds: that it took, those of an interrupted beginning not counted."""

    name: str
    seed: int
    folder: Path
    seconds: float

    @property
    def checkpoint(self) -> Path:
        """Checkpoint of the last step."""
        return self.folder / "checkpoints" / "last.ckpt"


class Tuning:
    """Trains from one checkpoint in folders named after all that the result depends on, so that what is finished is
    not done again and what was killed goes on.

    Args:
        train: `whysaid.doors.train.train`.
        ckpt: where all trainings start.
        data, decoding: configurations, resolved.
        runs: the folder of the trainings' folders.
    """

    def __init__(self, train: Train, ckpt: str, data: Mapping[str, Any], decoding: Mapping[str, Any], runs: Path):
        self.train, self.ckpt, self.runs = train, checkpoint_path(ckpt).absolute(), runs
        own = stored_config(ckpt)
        stored = stored_parts(own, self.ckpt, "encoder", *(name for name in KEPT if name in own))
        if "weights" in stored.encoder:
            stored.encoder.weights = None  # they are in the checkpoint
        self.base = OmegaConf.merge(stored, {"data": data, "decoding": decoding})
        self._source = file_digest(self.ckpt)

    def __call__(self, name: str, tuning: Mapping[str, Any], seed: int) -> Run:
        """Trains, goes on with, or finds the training of this name and seed.

        Args:
            name: of the tuning.
            tuning: `choose`, groups of conf/tune.yaml → choices; all else is laid over the configuration.
            seed: of order, draws and dropout.

        Raises UserError: such a group or choice is not there.
        """
        config = self.compose(name, tuning, seed)
        folder = self.runs / f"{name}-seed{seed}-{self._mark(config)}"
        config.paths.run_dir = str(folder.absolute())
        finished = folder / FINISHED
        took = loaded(finished, lambda path: float(load_json(path)["seconds"]))
        if took is not None:
            log.info("%s, seed %d: finished before in %s", name, seed, folder)
            return Run(name, seed, folder, took)
        folder.mkdir(parents=True, exist_ok=True)
        last, start = folder / "checkpoints" / "last.ckpt", time.perf_counter()
        self.train(config, folder, last if last.exists() else None)
        seconds = time.perf_counter() - start
        write_whole(finished, json.dumps({"seconds": round(seconds, 1)}) + "\n")
        return Run(name, seed, folder, seconds)

    def compose(self, name: str, tuning: Mapping[str, Any], seed: int) -> DictConfig:
        """The configuration of a training, without its folder."""
        choices = {group: choice for group, choice in (tuning.get("choose") or {}).items() if choice is not None}
        own = {key: value for key, value in tuning.items() if key != "choose"}
        laid = compose("tune", [f"{group}={choice}" for group, choice in choices.items()])
        OmegaConf.set_struct(laid, False)
        fixed = {"ckpt": str(self.ckpt), "seed": seed, "data": {"seed": seed}, "paths": {"run_dir": ""}}
        config = OmegaConf.merge(self.base, laid, own, fixed)
        assert isinstance(config, DictConfig)
        if not config.get("finetune"):
            raise UserError(
                f"study.tunings.{name} has no length of its own: add finetune to its `choose`, such as "
                "{objective: xe, finetune: explanations}"
            )
        return config

    def _mark(self, config: DictConfig) -> str:
        """Eight hexadecimal digits that change with the starting weights and with every value but those of loggers."""
        plain = OmegaConf.to_container(config, resolve=True)
        assert isinstance(plain, dict)
        of = {**plain, "logger": None, "ckpt": self._source}
        return hashlib.blake2b(json.dumps(of, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()
