"""Training and evaluation of a captioner: the procedure, not the model."""

from collections.abc import Callable
from typing import Any

import torch

from whysaid.data.vocabulary import Vocabulary
from whysaid.decoding.decoder import Decoder
from whysaid.models.captioner import Captioner
from whysaid.objectives.objective import CaptionObjective
from whysaid.tasks.trained import MakeOptimizer, Trained
from whysaid.tasks.writer import Writer


class Captioning(Trained, Writer):
    """A captioner under an objective; callbacks score and show what it writes in validation and test.

    Args:
        captioner: the model.
        vocabulary: words of its indices.
        objective: gives the loss of a batch.
        decoding: how captions are written in validation and test.
        optimizer, scheduler, monitor, tune_encoder, encoder_lr, config: as `Trained` takes them.
        compile: run the model's parts through `torch.compile`.
    """

    captioner: Captioner

    def __init__(
        self,
        captioner: Captioner,
        vocabulary: Vocabulary,
        objective: CaptionObjective,
        decoding: Decoder,
        optimizer: MakeOptimizer,
        scheduler: Callable[..., Any] | None = None,
        monitor: str = "val/CIDEr",
        tune_encoder: bool = False,
        encoder_lr: float = 1e-4,
        config: dict[str, Any] | None = None,
        compile: bool = False,
    ):
        super().__init__(
            captioner,
            objective,
            optimizer,
            scheduler,
            monitor,
            tune_encoder,
            encoder_lr,
            config,
            captioner=captioner,
            vocabulary=vocabulary,
            decoding=decoding,
        )
        if compile:
            captioner.advance = torch.compile(captioner.advance)  # type: ignore[method-assign]
