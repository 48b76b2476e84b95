from copy import deepcopy
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from whysaid.data.inpainting.holes import InpaintingBatch
from whysaid.errors import UserError
from whysaid.models.inpainting.discriminator import Discriminator
from whysaid.models.inpainting.generator import Generator
from whysaid.objectives.adversarial import Adversarial
from whysaid.tasks.inpainting import Inpainting, frozen
from whysaid.tasks.schedules import cosine


def batches(count: int, size: int = 16) -> list[InpaintingBatch]:
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(2, 1, size, size)
    masks[:, :, 4:10, 4:10] = 1
    return [
        InpaintingBatch(torch.arange(2), torch.rand(2, 3, size, size, generator=generator) * 2 - 1, masks)
        for _ in range(count)
    ]


def small(**settings) -> Inpainting:
    torch.manual_seed(0)
    optimizer = settings.pop("optimizer", partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999)))
    return Inpainting(Generator((2, 2, 4), (2,)), Discriminator((4, 4)), Adversarial(), optimizer, **settings)


def fitted(task: Inpainting, count: int = 3, **settings) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    trainer.fit(task, DataLoader(batches(count), batch_size=None))
    return trainer


def state(model: nn.Module) -> dict[str, Tensor]:
    return deepcopy(model.state_dict())


def changed(model: nn.Module, before: dict[str, Tensor]) -> bool:
    return any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Watched(Inpainting):
    """Checks, within training, that each step moves its own model and nothing of the other."""

    def discriminator_step(self, *args):
        generator, discriminator = state(self.generator), state(self.discriminator)
        logs = super().discriminator_step(*args)
        assert not changed(self.generator, generator) and changed(self.discriminator, discriminator)
        assert all(parameter.grad is None for parameter in self.generator.parameters())
        return logs

    def generator_step(self, *args):
        generator, discriminator = state(self.generator), state(self.discriminator)
        logs = super().generator_step(*args)
        assert changed(self.generator, generator) and not changed(self.discriminator, discriminator)
        self.watched = getattr(self, "watched", 0) + 1
        for parameter in self.generator.parameters():
            parameter.grad = None
        return logs


def test_each_step_moves_its_own_model() -> None:
    task = small()
    task.__class__ = Watched
    fitted(task, 3)
    assert task.watched == 3


def test_lightning_counts_generator_steps() -> None:
    task = small()
    assert fitted(task, 5).global_step == 5
    assert fitted(small(), 9, max_steps=4).global_step == 4


def test_one_step_by_hand() -> None:
    """Plain SGD: the discriminator on real and fake, then the generator under the new discriminator."""
    task = small(optimizer=partial(torch.optim.SGD, lr=0.1), ema=0.0)
    generator, discriminator = deepcopy(task.generator), deepcopy(task.discriminator)
    (batch,) = batches(1)
    fitted(task, 1)

    inpainted = generator(batch.images, batch.masks)
    pairs = torch.cat([batch.images, inpainted.completed.detach()]), torch.cat([batch.masks, batch.masks])
    real, fake = discriminator(*pairs).chunk(2)
    ((1 - real).relu().mean() + (1 + fake).relu().mean()).backward()
    descend(discriminator)
    scores = discriminator.eval()(inpainted.completed, batch.masks)
    l1 = (inpainted.coarse - batch.images).abs().mean() + (inpainted.fine - batch.images).abs().mean()
    (l1 - scores.mean()).backward()
    descend(generator)
    for ours, theirs in ((generator, task.generator), (discriminator, task.discriminator)):
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(theirs.state_dict()[name], value, atol=1e-6, rtol=1e-5, msg=name)


@torch.no_grad()
def descend(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter -= 0.1 * parameter.grad
        parameter.grad = None


def test_the_average_follows_slowly() -> None:
    none, slow = small(ema=0.0), small(ema=0.9)
    start = state(slow.generator)
    for task in (none, slow):
        fitted(task, 4)
    assert not changed(none.completing, none.generator.state_dict())
    assert changed(slow.completing, slow.generator.state_dict()) and changed(slow.completing, start)


def test_it_is_the_average_of_all_steps() -> None:
    seen: list[dict[str, Tensor]] = []

    class Recorded(Inpainting):
        def generator_step(self, *args):
            logs = super().generator_step(*args)
            seen.append(state(self.generator))
            return logs

    task = small(ema=0.8)
    task.__class__ = Recorded
    fitted(task, 4)
    for name, value in task.completing.state_dict().items():
        average = seen[0][name]
        for step in seen[1:]:
            average = 0.8 * average + 0.2 * step[name]
        torch.testing.assert_close(value, average)


def test_gradients_are_clipped_by_norm() -> None:
    free, clipped = (small(optimizer=partial(torch.optim.SGD, lr=1.0), gradient_clip=clip) for clip in (None, 1e-3))
    moved = []
    for task in (free, clipped):
        before = torch.cat([parameter.detach().flatten().clone() for parameter in task.generator.parameters()])
        fitted(task, 1)
        after = torch.cat([parameter.detach().flatten() for parameter in task.generator.parameters()])
        moved.append(float((after - before).norm()))
    assert moved[1] == pytest.approx(1e-3, rel=1e-3) and moved[0] > 10 * moved[1]


def test_learning_rates() -> None:
    task = small(discriminator_lr=3e-2, scheduler=partial(cosine, warmup=2))
    trainer = fitted(task, 4)
    assert [group["initial_lr"] for o in trainer.optimizers for group in o.param_groups] == [1e-2, 3e-2]
    assert [group["lr"] for o in trainer.optimizers for group in o.param_groups] == pytest.approx([0, 0])


def test_schedules_count_generator_steps() -> None:
    """Those that do not ask how long the run is, too."""
    trainer = fitted(small(scheduler=partial(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.5)), 5)
    assert [group["lr"] for o in trainer.optimizers for group in o.param_groups] == pytest.approx([2.5e-3] * 2)


def test_a_gan_has_no_plateau() -> None:
    with pytest.raises(UserError, match="no plateau to wait for"):
        fitted(small(scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau), 1)


def test_bfloat16() -> None:
    task = small()
    trainer = fitted(task, 2, precision="bf16-mixed")
    assert trainer.callback_metrics["train/G_loss"].isfinite()
    assert all(parameter.dtype == torch.float32 and parameter.isfinite().all() for parameter in task.parameters())


def test_float16_is_refused() -> None:
    task = small()
    task._trainer = type("Half", (), {"precision": "16-mixed"})()  # no processor here has it
    with pytest.raises(UserError, match="bf16-mixed"):
        task.setup("fit")


def test_a_frozen_judge() -> None:
    judge = Discriminator((4, 4))
    before = state(judge)
    with frozen(judge):
        judge(torch.rand(2, 3, 16, 16), torch.zeros(2, 1, 16, 16))
        assert not any(parameter.requires_grad for parameter in judge.parameters())
    assert not changed(judge, before) and judge.training
    assert all(parameter.requires_grad for parameter in judge.parameters())
