"""Scores what a generator completes in every validation and test, whatever the number of processes.

B is the number of pictures of a batch.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from whysaid.callbacks.across import broadcast, gather_by_id
from whysaid.callbacks.lightning import tested_split
from whysaid.data.inpainting.filling import fill_biharmonic, fill_with_mean
from whysaid.data.inpainting.holes import InpaintingBatch, uncentred
from whysaid.metrics.frechet import PooledFeatures, frechet_distance
from whysaid.metrics.inpainting import (
    Record,
    by_hole,
    by_size,
    hole_error,
    means,
    score_images,
)
from whysaid.metrics.lpips import Lpips
from whysaid.models.encoders.encoder import Encoder
from whysaid.tasks.completer import Completer

log = logging.getLogger(__name__)

Summary = Callable[[Sequence[Record]], dict[str, float]]
"""Makes metrics of the records of all pictures."""

PREFIXES = ("", "removed_")
"""How metrics of a test set begin: of the first, which has random holes, and of the second, removed objects."""


class InpaintingMetrics(Callback):
    """Logs `<split>/<metric>` of completed pictures.

    Validation scores pixels over all pictures; the test adds scores by the size of the hole (`L1_10-20%`), FID, LPIPS
    where its package is installed, and the hole error of two baselines, `L1_hole_mean_fill` and `L1_hole_biharmonic`.

    Args:
        features: the encoder whose pooled features FID compares, or None for no FID.
        fid_least: how many pictures a bin of hole sizes needs to get an FID of its own: with fewer pictures FID grows.
        biharmonic: for how many pictures of a test set the biharmonic equation is solved at most; 0 leaves it out.
        lpips: network of LPIPS, `alex`, `vgg` or `squeeze`; None leaves it out.
    """

    def __init__(
        self,
        features: Encoder | None = None,
        fid_least: int = 200,
        biharmonic: int = 200,
        lpips: str | None = "alex",
    ):
        self.features = PooledFeatures(features) if features is not None else None
        self.fid_least, self.biharmonic = fid_least, biharmonic
        self.lpips = Lpips(lpips) if lpips else None
        self._forget()

    def _forget(self) -> None:
        """Drops what an earlier validation or test has collected, for each test set."""
        self._records: list[dict[int, Record]] = [{} for _ in PREFIXES]
        self._features: list[dict[int, Tensor]] = [{} for _ in PREFIXES]

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._forget()

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._forget()

    def on_validation_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, pl_module: Completer, outputs: Any, batch: InpaintingBatch, *_: Any
    ) -> None:
        completed, truth = uncentred(outputs["inpainted"].completed), uncentred(batch.images)
        self._collect(0, batch, score_images(completed, truth, batch.masks))

    def on_test_batch_end(  # type: ignore[override]
        self,
        trainer: pl.Trainer,
        pl_module: Completer,
        outputs: Any,
        batch: InpaintingBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        completed, truth = uncentred(outputs["inpainted"].completed), uncentred(batch.images)
        scores = score_images(completed, truth, batch.masks)
        scores["L1_hole_mean_fill"] = hole_error(fill_with_mean(truth, batch.masks), truth, batch.masks)
        if self.lpips is not None:
            scores |= self.lpips(completed, truth)
        self._collect(dataloader_idx, batch, scores)
        share = -(-self.biharmonic // trainer.world_size)  # of each process
        self._collect(dataloader_idx, batch, self._biharmonic(dataloader_idx, truth, batch.masks, share))
        if self.features is not None:
            compared = torch.stack([self.features.to(truth.device)(x) for x in (truth, completed)], 1).cpu()
            self._features[dataloader_idx].update(zip(batch.image_ids.tolist(), compared, strict=True))

    def _collect(self, which: int, batch: InpaintingBatch, scores: dict[str, Tensor]) -> None:
        """Adds scores, each (B,) or fewer, to the records of a batch's first pictures in test set number `which`."""
        for name, values in scores.items():
            for image_id, value in zip(batch.image_ids.tolist(), values.tolist(), strict=False):
                self._records[which].setdefault(image_id, {})[name] = value

    def _biharmonic(self, which: int, truth: Tensor, masks: Tensor, wanted: int) -> dict[str, Tensor]:
        """Returns the hole error of the biharmonic baseline for pictures that `wanted` still lacks, if it lacks any."""
        left = wanted - sum("L1_hole_biharmonic" in record for record in self._records[which].values())
        if left <= 0:
            return {}
        truth, masks = truth[:left], masks[:left]
        return {"L1_hole_biharmonic": hole_error(fill_biharmonic(truth * (1 - masks), masks), truth, masks)}

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.log_dict(self._gathered(trainer, "val", means), rank_zero_only=False)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.log_dict(self._gathered(trainer, tested_split(trainer), by_size), rank_zero_only=False)

    def _gathered(self, trainer: pl.Trainer, split: str, summary: Summary) -> dict[str, float]:
        """Returns what to log of the pictures of all processes, each counted once; the same on every process."""
        logged: dict[str, float] = {}
        for which, prefix in enumerate(PREFIXES):
            records, features = gather_by_id(self._records[which]), gather_by_id(self._features[which])
            if trainer.is_global_zero and records:
                scores = summary(list(records.values())) | self._distances(records, features)
                logged |= {f"{split}/{prefix}{name}": value for name, value in scores.items()}
        return broadcast(logged)

    def _distances(self, records: dict[int, Record], features: dict[int, Tensor]) -> dict[str, float]:
        """Returns the FID over all pictures, and that of each bin of hole sizes with enough of them."""
        if self.features is None or len(features) < 2:
            return {}
        log.info("FID compares %d pictures under %s", len(features), self.features.name)
        pairs = torch.stack([features[image_id] for image_id in records])
        groups = {"FID": list(range(len(pairs)))}
        for name, places in by_hole(records.values()).items():
            if len(places) >= self.fid_least:
                groups[f"FID_{name}"] = places
        return {name: frechet_distance(pairs[places, 0], pairs[places, 1]) for name, places in groups.items()}
