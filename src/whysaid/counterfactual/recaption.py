"""What a captioner says of changed pictures, and how far that is from what it said before.

N pictures, S words, R regions.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictures
from whysaid.data.vocabulary import PAD
from whysaid.tasks.writer import Writer

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Recaption:
    """What is said of one picture.

    tokens: (S,) int64. words: the same as text, without `<end>`. attention: (words, R) of each word, of sum 1.
    log_p: log-probability of the caption that was asked for, or of this one, `<end>` included; nats.
    """

    tokens: Tensor
    words: list[str]
    attention: Array
    log_p: float

    @property
    def looked(self) -> Array:
        """Attention of all words together, (R,), of sum 1; zeros where there are none."""
        together: Array = self.attention.mean(0) if self.words else np.zeros(self.attention.shape[1])
        return together


@torch.no_grad()
def recaption(task: Writer, pictures: Sequence[Image.Image], asked: Tensor | None = None) -> list[Recaption]:
    """Captions of N RGB pictures of any size, all at once.

    Args:
        task: captioner, in evaluation mode, and decoding.
        pictures: prepared as the encoder's own photos are.
        asked: (S,) int64 the caption whose probability each picture is asked for; None asks for each picture's own.
    """
    captioner = task.single_captioner
    pixels = torch.stack([captioner.encoder.preprocessing(picture) for picture in pictures]).to(task.device)
    decoded, features = task.describe(Pictures(pixels))
    tokens = decoded.tokens[:, 0]
    attention = captioner.unroll(Targets(tokens).inputs(), features).attention.double()
    attention = (attention / attention.sum(-1, keepdim=True).clamp_min(1e-12)).cpu()
    rows = tokens if asked is None else asked.to(tokens).expand(len(pictures), -1)
    logits = captioner.unroll(Targets(rows).inputs(), features).logits.float()
    log_p = logits.log_softmax(-1).gather(2, rows.unsqueeze(2)).squeeze(2).masked_fill(rows == PAD, 0).sum(1)
    captions = [task.vocabulary.decode(row) for row in tokens.tolist()]
    return [
        Recaption(tokens[i], words, attention[i, : len(words)].numpy(), float(log_p[i]))
        for i, words in enumerate(captions)
    ]


def same_word_distance(before: Recaption, after: Recaption) -> float | None:
    """How far the attention of a word moved: total variation ½ Σ |a − b| in [0, 1], mean over the words in both
    captions; None where they share none. The k-th `a` of one caption is compared with the k-th `a` of the other."""
    pairs = shared(before.words, after.words)
    if not pairs:
        return None
    return float(np.mean([_apart(before.attention[i], after.attention[j]) for i, j in pairs]))


def summed_distance(before: Recaption, after: Recaption) -> float | None:
    """The same of where all words of a caption look together; None where a caption is empty."""
    if not before.words or not after.words:
        return None
    return _apart(before.looked, after.looked)


def shared(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Places of the words that both captions hold, as often as both hold them."""
    places: dict[str, list[int]] = defaultdict(list)
    for j, word in enumerate(after):
        places[word].append(j)
    return [(i, places[word].pop(0)) for i, word in enumerate(before) if places[word]]


def _apart(a: Array, b: Array) -> float:
    return float(np.abs(a - b).sum() / 2)
