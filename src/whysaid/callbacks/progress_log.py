"""Logs lines that tell how far a run is, for whoever reads a file instead of a terminal."""

import logging
import time
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Timer
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from whysaid.callbacks.lightning import callbacks_of, data_of, tested_split

log = logging.getLogger(__name__)

LOSSES = ("train/loss", "train/word_presence", "train/G_loss")
"""Names under which tasks log their loss. Where a training step returns none, the first of these that was logged is
shown."""


class ProgressLog(Callback):
    """Logs a line after every validation and at least once in so many seconds of training; the first process alone.

    A line has the step, the epoch, the loss, the monitored metric once it was measured, the steps per second since the
    line before, and the time left where the end of the run is known. Steps are those of the optimiser, of a GAN the
    generator's. Further lines tell what is trained and tested. All lines go to the log file of the run; at a terminal,
    which has a progress bar, they are kept from the console.

    Args:
        monitor: name of the metric that is watched.
        every_seconds: seconds of training between two lines at most.
        clock: returns seconds, from any beginning; tests put another one in place of the system's.
    """

    def __init__(self, monitor: str, every_seconds: float = 60.0, clock: Callable[[], float] = time.monotonic):
        self.monitor, self.every_seconds, self.clock = monitor, every_seconds, clock
        self._begun_at, self._first_step = 0.0, 0
        self._logged_at, self._logged_step = 0.0, 0
        self._total = float("inf")
        self._outputs: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._total = float(trainer.estimated_stepping_batches)
        self._begun_at = self._logged_at = self.clock()
        self._first_step = self._logged_step = trainer.global_step
        data = data_of(trainer)
        until = f"to step {self._total:,.0f}" if isfinite(self._total) else "without a last step"
        self._say(
            trainer,
            f"training {model_name(pl_module)} on {data.name}: {len(data.images('train')):,} images, from step "
            f"{trainer.global_step:,} {until}, on {trainer.strategy.root_device}, in {trainer.default_root_dir}",
        )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._outputs = outputs
        if self.clock() - self._logged_at >= self.every_seconds:
            self._line(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._line(trainer)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begun_at = self.clock()
        self._say(trainer, f"testing {model_name(pl_module)} on the {tested_split(trainer)} split")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._say(trainer, f"tested in {duration(self.clock() - self._begun_at)}")

    def _line(self, trainer: pl.Trainer) -> None:
        """Logs the line of this moment; what is not known is left out of it."""
        now, step = self.clock(), trainer.global_step
        total = f"/{self._total:,.0f}" if isfinite(self._total) else ""
        parts = [f"step {step:,}{total}", f"epoch {trainer.current_epoch}"]
        loss = loss_of(self._outputs, trainer.callback_metrics)
        if loss is not None:
            parts.append(f"loss {loss:.4g}")
        value = trainer.callback_metrics.get(self.monitor)
        if value is not None:
            parts.append(f"{self.monitor} {float(value):.4f}")
        if now > self._logged_at and step > self._logged_step:
            parts.append(f"{(step - self._logged_step) / (now - self._logged_at):.3g} steps/s")
        left = self._seconds_left(trainer, now, step)
        if left is not None:
            parts.append(f"{duration(left)} left")
        self._say(trainer, ", ".join(parts))
        self._logged_at, self._logged_step = now, step

    def _seconds_left(self, trainer: pl.Trainer, now: float, step: int) -> float | None:
        """Returns the time to the last step at the mean speed since training began here, or to `max_time` if sooner.

        It is None where neither is known.
        """
        done, ends = step - self._first_step, []
        if isfinite(self._total) and done > 0:
            ends.append((self._total - step) * (now - self._begun_at) / done)
        remaining = (timer.time_remaining() for timer in callbacks_of(trainer, Timer))
        ends += [seconds for seconds in remaining if seconds is not None]
        return max(min(ends), 0.0) if ends else None

    def _say(self, trainer: pl.Trainer, message: str) -> None:
        if trainer.is_global_zero:
            log.info(message, extra={"progress": True})


class NoProgressAtTerminal(logging.Filter):
    """Keeps lines about progress from a console at which somebody sits: its progress bar says the same.

    A line about progress is logged with `extra={"progress": True}`, here and in any other module that has a bar.

    Args:
        at_terminal: whether the console is a terminal.
    """

    def __init__(self, at_terminal: bool):
        super().__init__()
        self.at_terminal = at_terminal

    def filter(self, record: logging.LogRecord) -> bool:
        return not (self.at_terminal and getattr(record, "progress", False))


def model_name(pl_module: pl.LightningModule) -> str:
    """Returns the class of the model that a task trains: `GridTD`, `SAAA`, `Generator`."""
    models = (getattr(pl_module, name, None) for name in ("captioner", "model", "generator"))
    return type(next((model for model in models if model is not None), pl_module)).__name__


def loss_of(outputs: Any, metrics: Mapping[str, Tensor]) -> float | None:
    """Returns the loss that a training step gave; of a task that optimises by hand, the one that it logged."""
    if isinstance(outputs, Mapping) and isinstance(outputs.get("loss"), Tensor):
        return float(outputs["loss"].detach())
    logged = next((metrics[name] for name in LOSSES if name in metrics), None)
    return None if logged is None else float(logged)


def duration(seconds: float) -> str:
    """Writes seconds for people: `42 s`, `14 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
