"""Scores of completed pictures."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from whysaid.callbacks.inpainting_metrics import InpaintingMetrics
from whysaid.data.images import Preprocessing
from whysaid.data.inpainting.filling import fill_biharmonic, fill_with_mean
from whysaid.data.inpainting.holes import InpaintingBatch, uncentred
from whysaid.metrics.frechet import frechet_distance
from whysaid.metrics.inpainting import hole_error, score_images
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.inpainting.generator import Inpainted


class Colours(Encoder):
    dim, grid = 3, None
    preprocessing = Preprocessing(12, mean=(0.0,) * 3, std=(1.0,) * 3)

    def forward(self, images: Tensor) -> Regions:
        return Regions(images.flatten(2).transpose(1, 2))


class Module:
    """Takes what is logged."""

    def __init__(self) -> None:
        self.logged: dict[str, float] = {}

    def log_dict(self, values: dict[str, float], rank_zero_only: bool) -> None:
        self.logged |= values


TRAINER = SimpleNamespace(is_global_zero=True, world_size=1, datamodule=SimpleNamespace(evaluated="test"))


def batch(ids: list[int], share: int = 4) -> tuple[InpaintingBatch, dict[str, Any]]:
    """Pictures, each of its id alone, and what was made of them."""
    images, completed = [], []
    masks = torch.zeros(len(ids), 1, 12, 12)
    masks[..., :share, :6] = 1
    for image_id in ids:
        generator = torch.Generator().manual_seed(image_id)
        images.append(torch.rand(3, 12, 12, generator=generator) * 2 - 1)
        completed.append(images[-1] * (1 - masks[0]) + torch.rand(3, 12, 12, generator=generator) * masks[0])
    made = torch.stack(completed)
    return InpaintingBatch(torch.tensor(ids), torch.stack(images), masks), {
        "inpainted": Inpainted(-made, 0 * made, made)
    }


def scored(metrics: InpaintingMetrics, *fed: tuple[list[int], int, int]) -> dict[str, float]:
    module: Any = Module()
    metrics.on_test_epoch_start(TRAINER, module)  # type: ignore[arg-type]
    for ids, share, which in fed:
        pictures, outputs = batch(ids, share)
        metrics.on_test_batch_end(TRAINER, module, outputs, pictures, 0, which)  # type: ignore[arg-type]
    metrics.on_test_epoch_end(TRAINER, module)  # type: ignore[arg-type]
    return module.logged


def test_scores_of_all_pictures_and_of_bins() -> None:
    logged = scored(InpaintingMetrics(lpips=None), ([1, 2], 4, 0), ([3], 8, 0))
    small, large = batch([1, 2]), batch([3], 8)
    scores = [
        score_images(uncentred(outputs["inpainted"].completed), uncentred(pictures.images), pictures.masks)
        for pictures, outputs in (small, large)
    ]
    for name in ("L1", "L1_hole", "PSNR", "SSIM"):
        assert logged[f"test/{name}_10-20%"] == pytest.approx(float(scores[0][name].mean()), rel=1e-5)
        assert logged[f"test/{name}_30-40%"] == pytest.approx(float(scores[1][name].mean()), rel=1e-5)
        assert logged[f"test/{name}"] == pytest.approx(float(torch.cat([s[name] for s in scores]).mean()), rel=1e-5)
    truth, masks = uncentred(small[0].images), small[0].masks
    assert scored(InpaintingMetrics(lpips=None), ([1, 2], 4, 0))["test/L1_hole_mean_fill"] == pytest.approx(
        float(hole_error(fill_with_mean(truth, masks), truth, masks).mean())
    )


def test_the_second_test_set_has_names_of_its_own() -> None:
    logged = scored(InpaintingMetrics(lpips=None), ([1], 4, 0), ([1, 2], 4, 1))
    assert {"test/L1", "test/removed_L1", "test/removed_L1_hole_mean_fill"} <= logged.keys()
    assert logged["test/removed_L1"] != logged["test/L1"]


def test_pictures_that_a_sampler_repeats_count_once() -> None:
    metrics = InpaintingMetrics(features=Colours(), lpips=None)
    once = scored(metrics, ([1, 2, 3], 4, 0))
    assert scored(metrics, ([1, 2], 4, 0), ([3, 1], 4, 0)) == pytest.approx(once)


def test_biharmonic_of_the_first_pictures() -> None:
    logged = scored(InpaintingMetrics(biharmonic=3, lpips=None), ([1, 2], 4, 0), ([3, 4], 4, 0))
    (first, _), (second, _) = batch([1, 2]), batch([3, 4])
    truth, masks = uncentred(torch.cat([first.images, second.images])[:3]), torch.cat([first.masks, second.masks])[:3]
    errors = hole_error(fill_biharmonic(truth * (1 - masks), masks), truth, masks)
    assert logged["test/L1_hole_biharmonic"] == pytest.approx(float(errors.mean()), rel=1e-5)
    assert "test/L1_hole_biharmonic" not in scored(InpaintingMetrics(biharmonic=0, lpips=None), ([1, 2], 4, 0))


def test_fid_of_all_and_of_bins_with_enough_pictures() -> None:
    metrics = InpaintingMetrics(features=Colours(), fid_least=4, biharmonic=0, lpips=None)
    ids = list(range(6))
    logged = scored(metrics, (ids, 4, 0), ([7, 8, 9], 8, 0))
    pictures, outputs = batch(ids)
    real, fake = (uncentred(x).mean((2, 3)) for x in (pictures.images, outputs["inpainted"].completed))
    assert logged["test/FID_10-20%"] == pytest.approx(frechet_distance(real, fake), rel=1e-3)
    assert "test/FID" in logged and "test/FID_30-40%" not in logged
    assert "test/FID" not in scored(InpaintingMetrics(lpips=None), (ids, 4, 0))


def test_lpips_where_it_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = InpaintingMetrics(biharmonic=0, lpips="alex")
    monkeypatch.setattr(metrics, "lpips", lambda completed, truth: {"LPIPS": (completed - truth).abs().mean((1, 2, 3))})
    logged = scored(metrics, ([1, 2], 4, 0))
    assert logged["test/LPIPS"] == pytest.approx(logged["test/L1"], rel=1e-5) and "test/LPIPS_10-20%" in logged


def test_validation_scores_pixels_alone() -> None:
    metrics, module = InpaintingMetrics(features=Colours()), Module()
    metrics.on_validation_epoch_start(TRAINER, module)  # type: ignore[arg-type]
    pictures, outputs = batch([1, 2])
    metrics.on_validation_batch_end(TRAINER, module, outputs, pictures, 0)  # type: ignore[arg-type]
    metrics.on_validation_epoch_end(TRAINER, module)  # type: ignore[arg-type]
    assert set(module.logged) == {"val/L1", "val/L1_hole", "val/PSNR", "val/SSIM"}
