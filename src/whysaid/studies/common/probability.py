"""What the captioner says of changed images.

N images, S words, C, H, W pixels.
"""

import torch
from torch import Tensor

from whysaid.attribution.targets import Targets
from whysaid.models.explainable import Explainable


@torch.no_grad()
def probability(model: Explainable, features: object, tokens: Tensor, place: int) -> Tensor:
    """How probable one word of a caption is, its earlier words given.

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
    """Images (N, C, H, W) → what `project` makes of them."""
    return model.project(*model.encoder(images))
