"""Pictures and tables, for whatever loggers a run has: W&B, TensorBoard, or the run directory alone."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from matplotlib.figure import Figure
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from whysaid.data.images import Photo, load_image
from whysaid.errors import UserError
from whysaid.figures.canvas import save

WIDEST = 1600
"""Pixels of a logged figure."""

THUMBNAIL = 320
"""Pixels of the longer side of a photo in a table or a figure."""


def log_figures(trainer: pl.Trainer, name: str, figures: Mapping[str, Figure], folder: Path) -> None:
    """Saves each figure as `folder/figures/<key>.png` and logs them together under `name`; on rank 0 only."""
    if not trainer.is_global_zero or not figures:
        return
    pictures = {}
    for key, figure in figures.items():
        path = folder / "figures" / f"{key}.png"
        save(figure, path)
        pictures[key] = load_image(path)
        pictures[key].thumbnail((WIDEST, 4 * WIDEST))
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(name, _same_size(list(pictures.values())), log_step(trainer), **_named(list(pictures)))
        elif isinstance(logger, TensorBoardLogger):
            for key, picture in pictures.items():
                array = np.asarray(picture)
                logger.experiment.add_image(f"{name}/{key}", array, log_step(trainer), dataformats="HWC")


def log_table(trainer: pl.Trainer, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Logs rows of numbers, text, None and pictures under `name`; TensorBoard, which shows text only, without the
    pictures. On rank 0 only."""
    if not trainer.is_global_zero or not rows:
        return
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            data = [[_wandb_cell(cell) for cell in row] for row in rows]
            logger.log_table(name, list(columns), data, step=log_step(trainer))
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text(name, _markdown(columns, rows), log_step(trainer))


def log_step(trainer: pl.Trainer) -> int:
    """The step that Lightning gives to the scalars of this moment: W&B has one step axis, which never goes back.

    It is not `global_step`, which is ahead by one during validation and counts every optimiser of a GAN.
    """
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def thumbnails(images: Iterable[Photo], count: int) -> dict[int, Image.Image]:
    """Image id → the photo, made small, of the first `count` that can be read: a lost photo costs no run."""
    small: dict[int, Image.Image] = {}
    for image in images:
        if len(small) == count:
            break
        try:
            small[image.id] = load_image(image.path)
        except UserError:
            continue
        small[image.id].thumbnail((THUMBNAIL, THUMBNAIL))
    return small


def _same_size(pictures: list[Image.Image]) -> list[Image.Image]:
    """The pictures on white of one size: W&B shows those that are logged together at the size of the first."""
    size = max(picture.width for picture in pictures), max(picture.height for picture in pictures)
    sheets = [Image.new("RGB", size, "white") for _ in pictures]
    for sheet, picture in zip(sheets, pictures, strict=True):
        sheet.paste(picture)
    return sheets


def _named(keys: list[str]) -> dict[str, list[str]]:
    """W&B's own arguments, one of each per picture; JPEG is a fifth of PNG."""
    return {"caption": keys, "file_type": ["jpg"] * len(keys)}


def _wandb_cell(cell: Any) -> Any:
    import wandb  # not above: without the package a run goes on

    return wandb.Image(cell, file_type="jpg") if isinstance(cell, Image.Image) else cell


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    shown = [i for i in range(len(columns)) if not any(isinstance(row[i], Image.Image) for row in rows)]
    lines = [[columns[i] for i in shown], ["---"] * len(shown), *([_text(row[i]) for i in shown] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(cell: Any) -> str:
    """A cell on one line that ends no column."""
    if cell is None:
        return ""
    text = f"{cell:.4g}" if isinstance(cell, float) else str(cell)
    return text.replace("|", "\\|").replace("\n", "<br>")
