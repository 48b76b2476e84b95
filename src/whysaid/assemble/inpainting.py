"""Makes a generator and its discriminator, their task and their data from a configuration."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from whysaid.assemble.evaluation_callbacks import with_task_callbacks
from whysaid.assemble.own_data import with_own_data
from whysaid.assemble.parts import make, make_stored
from whysaid.checkpoint import Weights, fit_weights, read_weights
from whysaid.data.files.digest import file_digest
from whysaid.data.inpainting.datamodule import InpaintingData
from whysaid.data.inpainting.holes import uncentred
from whysaid.errors import UserError
from whysaid.models.inpainting.discriminator import Discriminator
from whysaid.models.inpainting.generator import Generator
from whysaid.tasks.completer import Completer
from whysaid.tasks.inpainting import Inpainting

AVERAGED = "average.module"
"""Name of the generator that is kept inside the task."""


def build_task(
    config: DictConfig, plain: dict[str, Any], resumed: Path | None = None
) -> tuple[Inpainting, InpaintingData]:
    """Makes the LightningModule and its data, with both models' weights of `config.ckpt` where it is given.

    Args:
        config: a composed training configuration.
        plain: the same, resolved, as plain containers; it is stored in checkpoints.
        resumed: the checkpoint that training goes on from, in place of `config.ckpt`.
    """
    if config.trainer.gradient_clip_val or config.trainer.accumulate_grad_batches != 1:
        raise UserError(
            "two models are trained by hand: set trainer.gradient_clip_val=null and "
            "trainer.accumulate_grad_batches=1, and use task.gradient_clip and data.batch_size"
        )
    generator: Generator = make(config.model.generator, Generator, "model.generator")
    discriminator: Discriminator = make(config.model.discriminator, Discriminator, "model.discriminator")
    start = resumed or config.ckpt
    if start:
        fit_weights(generator, read_weights(start, AVERAGED, "generator"))
        fit_weights(discriminator, read_weights(start, "discriminator", "discriminator"))
    data: InpaintingData = make(config.data, InpaintingData, "data")
    task: Inpainting = make(
        config.task, Inpainting, "task", generator=generator, discriminator=discriminator, config=plain
    )
    return task, data


def build_evaluation(config: DictConfig) -> tuple[Completer, InpaintingData, DictConfig]:
    """Makes what evaluates the checkpoint `config.ckpt`.

    Data are those of its run, with the values that `config` gives in their place; the callbacks are this task's unless
    others were chosen.

    Returns:
        The module, the data, and the configuration completed so.
    """
    if not isinstance(config.ckpt, str):
        raise UserError("generators make no ensemble: give one checkpoint, ckpt=PATH")
    generator, checkpoint = load_generator(config.ckpt)
    merged = complete(config, checkpoint.config)
    data: InpaintingData = make_stored(checkpoint, merged.data, InpaintingData, "data", evaluated=config.split)
    return Completer(generator), data, merged


def load_generator(path: str) -> tuple[Generator, Weights]:
    """Builds the averaged generator of a checkpoint, in evaluation mode, from the configuration stored in it."""
    checkpoint = read_weights(path, AVERAGED, "generator")
    stored = checkpoint.parts("model", "data")
    generator: Generator = make_stored(checkpoint, stored.model.get("generator"), Generator, "model.generator")
    fit_weights(generator, checkpoint)
    return generator.eval(), checkpoint


class TrainedInpainter:
    """An inpainter by the generator of a checkpoint, which is read when the first hole is to be filled.

    Args:
        path: of the checkpoint.
    """

    def __init__(self, path: str | None):
        self.path = path
        self._generator: Generator | None = None

    @property
    def mark(self) -> str:
        """SHA-256 of the checkpoint; UserError where none is given."""
        return file_digest(self._checkpoint())

    def _checkpoint(self) -> Path:
        if self.path is None:
            raise UserError(
                "objects are removed by an inpainter: give its checkpoint as inpainter=PATH, or train one with "
                "`python -m src.train experiment=deepfill_scenes`"
            )
        if not Path(self.path).is_file():
            raise UserError(f"there is no checkpoint {self.path}: give that of a GAN as inpainter=PATH")
        return Path(self.path)

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        """Fills the holes of images (B, 3, H, W) in [0, 1]; masks (B, 1, H, W), 1 = hole.

        Raises:
            UserError: no checkpoint is given, or it has no generator, or a mask leaves nothing known.
        """
        if self._generator is None:
            self._generator, _ = load_generator(str(self._checkpoint()))
        generator = self._generator.to(images.device)
        return uncentred(generator.complete(images * 2 - 1, masks))


def complete(config: DictConfig, own: dict[str, Any]) -> DictConfig:
    """Returns `config` with the run's own data wherever it says nothing or null, and with the callbacks of the task."""
    merged = with_task_callbacks(with_own_data(config, own), "inpainting")
    merged.metrics = merged.decoding = None  # those of captions
    return merged
