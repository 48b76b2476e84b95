"""Language from captions without pictures: cross-entropy of a batch, and of captions whose pictures are not at hand.

B images, K captions of each, U captions without pictures, T words, R regions, D features.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.caption_files import read_references
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.vocabulary import PAD, UNK
from whysaid.data.words import words
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.encoder import Regions
from whysaid.models.encoders.mean import mean_regions
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.joint import joint
from whysaid.objectives.objective import CaptionObjective, Logs

log = logging.getLogger(__name__)


class Unpaired(CaptionObjective):
    """Cross-entropy of the batch, and of captions of other pictures given the mean of the training features.

    The captioner learns from them how captions go on, which few pictures do not teach. Captions with a word that is not
    in the vocabulary are left out, and so are all captions of pictures of the validation and test splits.

    Args:
        captions: files of captions, such as COCO's `captions_train2014.json`.
        excluded: a file with an image id on each line, whose captions are left out too; None: no more.
        number: U, captions of each step in each process.
        paired: weight of the batch's cross-entropy beside theirs, at least 0; 0: language alone.
        label_smoothing: of both cross-entropies, in [0, 1).
        seed: of the draws.

    Raises:
        UserError: a weight below 0, or a number below 1.
    """

    _rows: Tensor  # (C, T) int64, all captions without pictures
    _regions: Tensor  # (1, R, D)
    _rank: int

    def __init__(
        self,
        captions: Sequence[str],
        excluded: str | None = None,
        number: int = 160,
        paired: float = 1.0,
        label_smoothing: float = 0.0,
        seed: int = 0,
    ):
        if paired < 0:
            raise UserError(f"objective.paired is a weight of at least 0, not {paired}")
        if number < 1:
            raise UserError(f"objective.number is a number of captions, at least 1, not {number}")
        self.captions, self.excluded = list(captions), excluded
        self.number, self.paired, self.seed = number, paired, seed
        self.label_smoothing, self.plain = label_smoothing, CrossEntropy(label_smoothing)

    def prepare(self, captioner: Captioner, data: CaptionData) -> None:
        """Reads the captions, and computes the mean of the training features.

        Raises:
            UserError: a file is missing or is none of captions or ids, or no caption is left.
        """
        if not self.captions:
            raise UserError("objective=unpaired reads captions of other pictures: give objective.captions=[FILE]")
        left_out = {image.id for split in ("val", "test") for image in data.images(split)}
        if self.excluded is not None:
            left_out |= _read_ids(Path(self.excluded))
        rows = [
            ids
            for path in self.captions
            for image_id, texts in read_references(Path(path)).captions.items()
            if image_id not in left_out
            for ids in (data.vocabulary.encode(words(text), data.max_words) for text in texts)
            if UNK not in ids
        ]
        if not rows:
            raise UserError("no caption of objective.captions has only words of the vocabulary")
        log.info("learning language from %d captions without their pictures", len(rows))
        self._rows = pad_sequence([torch.tensor(ids) for ids in rows], batch_first=True, padding_value=PAD)
        self._regions = mean_regions(captioner, data.pictures("train"))[None]
        self._rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0

    def __call__(self, captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, Logs]:
        """As `Objective` says; logs the cross-entropy with pictures and without."""
        draws = np.random.default_rng([self.seed, step, self._rank]).integers(len(self._rows), size=self.number)
        drawn = self._rows[torch.from_numpy(draws)]
        drawn = drawn[:, : int((drawn != PAD).sum(1).max())].to(batch.captions.device)
        features = captioner.project(*Regions(self._regions.to(captioner.embedding.weight)))
        logits = captioner.unroll(drawn[:, :-1], features).logits
        targets = drawn[:, 1:]
        unpaired = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=PAD, label_smoothing=self.label_smoothing
        )
        loss = joint(unpaired, (targets != PAD).sum())
        logs = {"loss_unpaired": unpaired.detach()}
        if self.paired:
            paired, more = self.plain(captioner, batch, step)
            return loss + self.paired * paired, logs | more
        return loss, logs | {"loss": unpaired.detach()}


def _read_ids(path: Path) -> set[int]:
    """Reads one image id on each line; UserError where there is none such."""
    try:
        return {int(line) for line in path.read_text(encoding="utf-8").split()}
    except (OSError, ValueError) as error:
        raise UserError(f"objective.excluded={path} is no file with an image id on each line ({error})") from error
