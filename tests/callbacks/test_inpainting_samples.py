"""Sheets of completed pictures."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.trainer.states import TrainerFn

from whysaid.callbacks.inpainting_samples import InpaintingSamples
from whysaid.data.inpainting.holes import InpaintingBatch
from whysaid.figures.inpainting_sheet import Sample
from whysaid.models.inpainting.generator import Inpainted


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, list[Sample]]]:
    """(name, file name, samples) of each sheet that is logged."""
    logged: list[tuple[str, str, list[Sample]]] = []
    monkeypatch.setattr("whysaid.callbacks.inpainting_samples.inpainting_sheet", lambda samples: samples)
    monkeypatch.setattr(
        "whysaid.callbacks.inpainting_samples.log_figures",
        lambda trainer, name, sheets, folder: logged.extend((name, key, sheet) for key, sheet in sheets.items()),
    )
    return logged


def trainer(epoch: int = 0, rank_zero: bool = True) -> Any:
    data = SimpleNamespace(evaluated="test")
    return SimpleNamespace(
        current_epoch=epoch,
        is_global_zero=rank_zero,
        sanity_checking=False,
        datamodule=data,
        state=SimpleNamespace(fn=TrainerFn.FITTING),
    )


BATCH = InpaintingBatch(torch.arange(3), torch.full((3, 3, 8, 8), -1.0), torch.ones(3, 1, 8, 8))
OUTPUTS = {"inpainted": Inpainted(*(torch.full((3, 3, 8, 8), value) for value in (0.0, 0.5, 1.0)))}


def test_what_is_on_a_sheet(drawn: list[tuple[str, str, list[Sample]]]) -> None:
    InpaintingSamples("unused", images=2).on_validation_batch_end(trainer(), None, OUTPUTS, BATCH, 0)  # type: ignore[arg-type]
    ((name, key, samples),) = drawn
    assert (name, key, len(samples)) == ("val/inpainted", "inpainted_val", 2)
    sample = samples[0]
    assert sample.truth.shape == (8, 8, 3) and sample.hole.shape == (8, 8)
    values = (sample.truth, sample.hole, sample.coarse, sample.completed)
    assert [float(value.flat[0]) for value in values] == [0.0, 1.0, 0.5, 1.0]


def test_both_test_sets(drawn: list[tuple[str, str, list[Sample]]]) -> None:
    samples = InpaintingSamples("unused")
    for dataloader in (0, 1):
        for batch in (0, 1):
            samples.on_test_batch_end(trainer(), None, OUTPUTS, BATCH, batch, dataloader)  # type: ignore[arg-type]
    assert [(name, key) for name, key, _ in drawn] == [
        ("test/inpainted", "inpainted_test"),
        ("test/removed", "removed_test"),
    ]


@pytest.mark.parametrize(
    ("epochs", "drawn_in"), [((0, 1, 2, 3), (0, 2)), ((1, 3, 5), (1, 3, 5)), ((2, 5, 6, 8), (2, 5, 8))]
)
def test_how_often_it_is_drawn(
    drawn: list[tuple[str, str, list[Sample]]], epochs: tuple[int, ...], drawn_in: tuple[int, ...]
) -> None:
    """In the first validation, and in the first that is two epochs later, in whatever epochs a run validates."""
    samples, drawing_epochs = InpaintingSamples("unused", every_n_epochs=2), []
    for epoch in epochs:
        samples.on_validation_batch_end(trainer(epoch), None, OUTPUTS, BATCH, 0)  # type: ignore[arg-type]
        drawing_epochs += [epoch] * len(drawn)
        drawn.clear()
    assert tuple(drawing_epochs) == drawn_in


@pytest.mark.parametrize(("epoch", "batch", "rank_zero"), [(0, 1, True), (0, 0, False)])
def test_when_nothing_is_drawn(
    drawn: list[tuple[str, str, list[Sample]]], epoch: int, batch: int, rank_zero: bool, tmp_path: Path
) -> None:
    samples = InpaintingSamples(str(tmp_path), every_n_epochs=2)
    samples.on_validation_batch_end(trainer(epoch, rank_zero), None, OUTPUTS, BATCH, batch)  # type: ignore[arg-type]
    assert drawn == []
