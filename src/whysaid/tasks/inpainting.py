"""Training of the inpainting GAN: one step of the discriminator, then one of the generator, on each batch."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from whysaid.data.inpainting.holes import InpaintingBatch
from whysaid.errors import UserError
from whysaid.models.inpainting.discriminator import Discriminator
from whysaid.models.inpainting.generator import Generator, Inpainted
from whysaid.objectives.adversarial import Adversarial
from whysaid.tasks.completer import Completer
from whysaid.tasks.schedules import scheduled
from whysaid.tasks.settings import require_settings


class Inpainting(Completer):
    """A generator against a discriminator; what is validated, tested and kept is a moving average of the generator.

    Lightning counts steps of the generator only: the discriminator's optimiser is stepped past it. So the trainer's
    `max_steps`, schedules, checkpoints and the logged step all mean generator steps.

    Args:
        generator: fills the holes.
        discriminator: scores images.
        objective: gives the losses of both.
        optimizer: makes an optimiser of parameters; called once for each model.
        discriminator_lr: learning rate of the discriminator; None takes the optimiser's own.
        scheduler: makes a learning-rate scheduler of an optimiser, or None; told the run's `steps` if it takes them,
            and stepped once a batch.
        ema: decay of the generator's moving average a step, in [0, 1); 0 keeps no memory.
        gradient_clip: largest 2-norm of either model's gradient; None does not clip.
        config: the resolved configuration, plain containers, stored in every checkpoint.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        objective: Adversarial,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        discriminator_lr: float | None = None,
        scheduler: Callable[..., Any] | None = None,
        ema: float = 0.999,
        gradient_clip: float | None = None,
        config: dict[str, Any] | None = None,
    ):
        super().__init__(generator)
        self.automatic_optimization = False
        self.discriminator, self.objective = discriminator, objective
        require_settings(optimizer, scheduler)
        self.make_optimizer, self.discriminator_lr, self.make_scheduler = optimizer, discriminator_lr, scheduler
        self.average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(ema)).requires_grad_(False)
        self.gradient_clip = gradient_clip
        self.config = config or {}

    @property
    def completing(self) -> Generator:
        averaged: Generator = self.average.module  # type: ignore[assignment]
        return averaged

    def setup(self, stage: str) -> None:
        if stage == "fit" and str(self.trainer.precision).startswith("16"):
            raise UserError("float16 would need a loss scale for each model: choose trainer.precision=bf16-mixed")

    def training_step(self, batch: InpaintingBatch, batch_idx: int) -> None:
        optimizers: Any = self.optimizers()
        inpainted = self.generator(batch.images, batch.masks)
        discriminator_logs = self.discriminator_step(optimizers[1].optimizer, batch, inpainted.completed.detach())
        generator_logs = self.generator_step(optimizers[0], batch, inpainted)
        self.average.update_parameters(self.generator)
        if self.make_scheduler is not None:
            schedulers: Any = self.lr_schedulers()
            for scheduler in schedulers:
                scheduler.step()
        logs = {f"train/{name}": value for name, value in (discriminator_logs | generator_logs).items()}
        self.log_dict(logs, batch_size=len(batch), prog_bar=True)

    def discriminator_step(self, optimizer: Optimizer, batch: InpaintingBatch, completed: Tensor) -> dict[str, Tensor]:
        """Takes one step on real and completed images (B, 3, H, W) in one batch; returns scalars to log."""
        images, masks = torch.cat([batch.images, completed]), batch.masks.repeat(2, 1, 1, 1)
        real, fake = self.discriminator(images, masks).float().chunk(2)
        loss, logs = self.objective.discriminator(real, fake)
        return logs | {"D_grad_norm": self._descend(optimizer, self.discriminator, loss)}

    def generator_step(self, optimizer: Any, batch: InpaintingBatch, inpainted: Inpainted) -> dict[str, Tensor]:
        """Takes one step on what the generator made, under the discriminator as it now is; returns scalars to log."""
        with frozen(self.discriminator):
            scores = self.discriminator(inpainted.completed, batch.masks).float()
            loss, logs = self.objective.generator(inpainted, batch.images, scores)
            return logs | {"G_grad_norm": self._descend(optimizer, self.generator, loss)}

    def _descend(self, optimizer: Any, model: nn.Module, loss: Tensor) -> Tensor:
        """Goes backward, clips and steps; returns the norm of the gradient before it was clipped."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        norm = nn.utils.clip_grad_norm_(model.parameters(), self.gradient_clip or float("inf"))
        optimizer.step()
        return norm.detach()

    def configure_optimizers(self) -> Any:
        optimizers = [self.make_optimizer(self.generator.parameters())]
        optimizers.append(self.make_optimizer(self.discriminator.parameters()))
        if self.discriminator_lr is not None:
            for group in optimizers[1].param_groups:
                group["lr"] = self.discriminator_lr
        if self.make_scheduler is None:
            return optimizers
        steps, names = self.trainer.estimated_stepping_batches, ("generator", "discriminator")
        schedulers = [scheduled(self.make_scheduler, optimizer, steps) for optimizer in optimizers]
        if any(isinstance(scheduler, ReduceLROnPlateau) for scheduler in schedulers):
            raise UserError("the losses of a GAN have no plateau to wait for: choose scheduler=cosine, or ~scheduler")
        return optimizers, [
            {"scheduler": scheduler, "interval": "step", "name": f"lr-{name}"}
            for scheduler, name in zip(schedulers, names, strict=True)
        ]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds all that loading needs, as plain containers."""
        checkpoint["config"] = self.config


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Keeps a model as it is within this context, while it judges: both weights and spectral norms."""
    training = model.training
    model.requires_grad_(False).eval()
    try:
        yield
    finally:
        model.requires_grad_(True).train(training)
