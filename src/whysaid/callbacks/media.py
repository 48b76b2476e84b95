"""Logs pictures and tables to whatever loggers a run has: W&B, TensorBoard, or the run directory alone."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from matplotlib.figure import Figure
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from whysaid.callbacks.lightning import log_step
from whysaid.data.images import Photo, load_image
from whysaid.errors import UserError
from whysaid.figures.canvas import save
from whysaid.run.printable import encodable, encodable_values

WIDEST = 1600
"""Largest width of a logged figure, pixels."""

THUMBNAIL = 320
"""Longer side of a photo in a table or a figure, pixels."""


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
    """Logs rows of numbers, text, None and pictures under `name`; on rank 0 only.

    TensorBoard shows text alone: there the columns with pictures are left out.
    """
    if not trainer.is_global_zero or not rows:
        return
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            data = [[_wandb_cell(cell) for cell in row] for row in rows]
            logger.log_table(name, list(columns), data, step=log_step(trainer))
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text(name, _markdown(columns, rows), log_step(trainer))


def thumbnails(images: Iterable[Photo], count: int) -> dict[int, Image.Image]:
    """Returns image id → small photo of the first `count` that can be read: a lost photo does not end a run."""
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
    """Pads pictures with white to one size: W&B shows those that are logged together at the size of the first."""
    size = max(picture.width for picture in pictures), max(picture.height for picture in pictures)
    sheets = [Image.new("RGB", size, "white") for _ in pictures]
    for sheet, picture in zip(sheets, pictures, strict=True):
        sheet.paste(picture)
    return sheets


def _named(keys: list[str]) -> dict[str, list[str]]:
    """Returns arguments of W&B, a value of each for every picture; JPEG files are a fifth of the size of PNG files."""
    return {"caption": keys, "file_type": ["jpg"] * len(keys)}


def _wandb_cell(cell: Any) -> Any:
    """Returns a cell as a table of W&B takes it: a picture as an image of W&B, anything else as it is."""
    import wandb  # here, so that a run without the package goes on

    return wandb.Image(cell, file_type="jpg") if isinstance(cell, Image.Image) else encodable_values(cell)


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Writes a table without the columns that hold pictures."""
    textual = [i for i in range(len(columns)) if not any(isinstance(row[i], Image.Image) for row in rows)]
    lines = [[columns[i] for i in textual], ["---"] * len(textual), *([_text(row[i]) for i in textual] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(cell: Any) -> str:
    """Writes a cell on one line, without a bar that would end its column."""
    if cell is None:
        return ""
    text = f"{cell:.4g}" if isinstance(cell, float) else str(cell)
    return encodable(text).replace("|", "\\|").replace("\n", "<br>")
