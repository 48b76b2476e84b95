"""The doors, opened in this process: most tests need no other."""

import contextlib
import io
import logging
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from whysaid.doors.train import train
from whysaid.metrics.score import Unavailable
from whysaid.run.conf import CONF
from whysaid.run.resolvers import register_resolvers

COUNTS = {"train": 48, "val": 16, "test": 16}
"""Scenes of the tests' world."""

SIZE = 48
"""Pixels of its pictures."""

VAL_METRICS = ("BLEU", "CIDEr", "hallucination", "statistics")
TEST_METRICS = ("BLEU", "ROUGE-L", "CIDEr", "METEOR", "SPICE", "BERTScore", "ALOHa", "hallucination", "statistics")
"""Names of the metrics in conf/metrics/captioning.yaml."""


def only(split: str, *names: str) -> str:
    """An override that leaves these metrics alone in `val` or `test`."""
    others = [name for name in (VAL_METRICS if split == "val" else TEST_METRICS) if name not in names]
    return f"metrics.{split}={{{', '.join(f'{name}: null' for name in others)}}}"


QUICK = (
    only("val", "CIDEr"),
    "metrics.test=${metrics.val}",
    "decoding=greedy",
    "logger=none",
    "data.min_count=1",
    "data.batch_size=8",
    "data.eval_batch_size=16",
    "data.num_workers=0",
    "model.embed_dim=16",
    "model.hidden_dim=16",
    "model.attention_dim=16",
    "trainer.enable_progress_bar=false",
    "trainer.max_epochs=1",
)
"""What makes any training of a captioner small."""

WORLD = (
    "data.source.counts={train: 48, val: 16, test: 16}",
    f"data.source.size={SIZE}",
    f"encoder.image_size={SIZE}",
    "encoder.widths=[4, 8, 8, 8]",
)
"""The tests' world, and an encoder for it."""

SMALL_BLIP = (
    *(setting for setting in (*QUICK, *WORLD) if not setting.startswith(("model.attention_dim", "encoder.widths"))),
    *(f"{part}.{size}" for part in ("model", "encoder") for size in ("layers=1", "heads=2", "hidden_dim=16")),
    "encoder.dim=16",
    "encoder.patch_size=12",
)
"""A training of blip_scenes in it."""

SMALL_VQA = (
    "logger=none",
    "data.batch_size=8",
    "data.eval_batch_size=16",
    "data.num_workers=0",
    "model.embed_dim=8",
    "model.hidden_dim=16",
    "model.attention_dim=8",
    "model.classifier_dim=16",
    "trainer.enable_progress_bar=false",
    "trainer.precision=32-true",
)
"""What makes any training of a model of questions small."""

SMALL_VILT = (
    *(
        s
        for s in (*SMALL_VQA, *WORLD)
        if not s.startswith(("model.embed", "model.att", "model.class", "encoder.widths"))
    ),
    *(f"model.{size}" for size in ("layers=1", "heads=2")),
    "encoder.dim=16",
    "encoder.patch_size=12",
    "encoder.stem=[]",
    "trainer.max_epochs=1",
)
"""A training of vilt_scenes in it."""

SCENES = (
    *QUICK,
    *WORLD,
    "~experiment",
    "task.tune_encoder=true",
    "optimizer.lr=2e-3",
    "data.captions_per_image=2",
)
"""A training in it, whatever recipe the experiments settle on: none of them is loaded."""

EMA = (
    "callbacks.ema={_target_: pytorch_lightning.callbacks.WeightAveraging, "
    "multi_avg_fn: {_target_: torch.optim.swa_utils.get_ema_multi_avg_fn, decay: 0.9}}"
)
"""A moving average of the weights, as conf/callbacks/default.yaml proposes it."""

FIGURES = tuple(f"callbacks.{name}=null" for name in ("attention", "captions", "hallucination", "heat_maps"))
"""Nothing is drawn."""


class Ran(NamedTuple):
    """How a door ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that it ended with; fails where there is a stack trace or no error."""
        assert self.code == 1 and "Traceback" not in self.err, self.err
        errors = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and self.err.splitlines()[-1] == errors[0], self.err
        return errors[0]

    @property
    def folder(self) -> Path:
        """The run directory, its last printed line."""
        assert self.code == 0, self.err
        return Path(self.out.splitlines()[-1])


def composed(door: str, folder: Path, *overrides: str) -> DictConfig:
    """A door's configuration as its main function gets it, with `folder` as run directory."""
    register_resolvers()
    run = (f"hydra.runtime.output_dir={folder}", "hydra.job.num=0")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(door, last_of_each((*overrides, *run)), return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    OmegaConf.set_readonly(config, False)
    del config.hydra
    return config


def trained(folder: Path, *overrides: str) -> float | None:
    """Trains into `folder`, without Hydra's own set-up of the job; returns the monitored metric."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return train(composed("train", folder, *overrides), folder)
    finally:
        HydraConfig.instance().cfg = None


def run_door(name: str, *args: str) -> Ran:
    """`python -m src.<name> <args>` in this process: exit status, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        restored_logging(),
        patch.object(sys, "argv", [f"src/{name}.py", *last_of_each(args)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            import_module(f"whysaid.doors.{name}").main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
    return Ran(code, out.getvalue(), err.getvalue())


def last_of_each(overrides: Sequence[str]) -> list[str]:
    """A later override takes the place of an earlier one of the same key: Hydra refuses two choices of a group."""
    return list({override.partition("=")[0]: override for override in overrides}.values())


@contextlib.contextmanager
def restored_logging() -> Iterator[None]:
    """Takes back what Hydra does to the root logger."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


@contextlib.contextmanager
def without_java() -> Iterator[None]:
    """The tokeniser that needs no Java: a process fewer at each validation."""
    with patch("whysaid.metrics.tokenizer.find_java", side_effect=Unavailable("no Java", "none is needed")):
        yield
