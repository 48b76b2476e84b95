"""The ranges of numbers that a configuration may hold, where whatever takes them would fail late or without a word."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from whysaid.errors import UserError

LARGEST_SEED = 2**32 - 1
"""The largest that NumPy takes."""

RANGES: Mapping[str, tuple[float, float | None]] = {
    "seed": (0, LARGEST_SEED),
    "data.seed": (0, LARGEST_SEED),
    "data.batch_size": (1, None),
    "data.eval_batch_size": (1, None),
    "data.num_workers": (0, None),
    "data.captions_per_image": (1, None),
    "data.min_count": (1, None),
    "data.max_broken": (0, 1),
    "encoder.image_size": (1, None),
    "encoder.widths": (1, None),
    "objective.label_smoothing": (0, 1),
    "callbacks.last.every_n_train_steps": (1, None),
    "callbacks.early_stopping.patience": (0, None),
    "trainer.accumulate_grad_batches": (1, None),
    "trainer.check_val_every_n_epoch": (1, None),
    "trainer.log_every_n_steps": (1, None),
    "trainer.gradient_clip_val": (0, None),
}
"""Key → least and largest value; of a list, of each of its numbers. None: as large as one likes."""


def require_ranges(config: DictConfig) -> None:
    """Raises UserError where a number of `RANGES` lies outside; what is absent, null or no number is passed over."""
    for key, (least, most) in RANGES.items():
        for number in _numbers(config, key):
            if number < least:
                raise UserError(f"{key} is {number}: set it to at least {least}")
            if most is not None and number > most:
                raise UserError(f"{key} is {number}: set it to at most {most}")


def _numbers(config: DictConfig, key: str) -> list[float]:
    try:
        value: Any = OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return []  # whoever uses it says what is wrong with it
    values = list(value) if isinstance(value, ListConfig) else [value]
    return [number for number in values if isinstance(number, int | float) and not isinstance(number, bool)]
