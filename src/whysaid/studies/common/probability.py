"""How probable a word of a caption is once the image, or the words before it, are changed.

N images, b of a batch, t words before the word, D deleted ones, S words of a caption, C, H, W pixels.
"""

from typing import Any

import torch
from torch import Tensor

from whysaid.attribution.targets import Targets
from whysaid.models.captioner import Captioner
from whysaid.models.explainable import Explainable


@torch.no_grad()
def probability(model: Explainable, features: object, tokens: Tensor, place: int) -> Tensor:
    """The probability of one word of a caption after its earlier words.

    Args:
        model: in evaluation mode.
        features: what `project` made of N images.
        tokens: (S,) int64 the caption, without `<start>`.
        place: of the word.

    Returns (N,) in [0, 1].
    """
    targets = Targets(tokens.expand(len(features), -1), [place])  # type: ignore[arg-type]
    output = model.read(model.embed(targets.inputs()[:, : targets.context_length]), features).output[:, targets.places]
    return targets.scores(model.head(output).float().log_softmax(-1)).exp().squeeze(1)


@torch.no_grad()
def project_images(model: Explainable, images: Tensor) -> object:
    """Encodes and projects images (N, C, H, W)."""
    return model.project(*model.encoder(images))


@torch.no_grad()
def after_deletion(captioner: Captioner, features: Any, before: Tensor, said: Tensor, deleted: Tensor) -> Tensor:
    """The probability of a word after some of the words before it are deleted.

    Args:
        captioner: in evaluation mode.
        features: of b images.
        before: (b, t + 1) the input words, `<start>` first.
        said: (b,) the word whose probability is asked for.
        deleted: (b, N, D), N ways to delete D words: indices into `before`, different ones in each way to delete.

    Returns (b, N) in [0, 1].
    """
    kept = torch.ones(*deleted.shape[:2], before.shape[1], dtype=torch.bool, device=before.device)
    kept.scatter_(2, deleted, False)
    words = before[:, None].expand(kept.shape)[kept].view(kept.shape[0] * kept.shape[1], -1)  # in their order
    last = captioner.read(captioner.embed(words), features).output[:, -1]
    p = captioner.head(last).softmax(-1).view(*deleted.shape[:2], -1)
    return p.gather(2, said[:, None, None].expand(-1, deleted.shape[1], 1)).squeeze(2)
