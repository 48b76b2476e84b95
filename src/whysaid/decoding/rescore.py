"""How probable the words of captions that were written are.

B images, S words of a caption, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from whysaid.data.vocabulary import START
from whysaid.decoding.decoder import Stepper


@torch.no_grad()
def said_log_probs(captioner: Stepper, tokens: Tensor, features: Any) -> Tensor:
    """The captioner's own log-probability of each word of one caption per image, by `step`: ensembles have it too.

    Args:
        captioner: in evaluation mode.
        tokens: (B, S) int64, as decoders return them, without `<start>`.
        features: of the B images.

    Returns (B, S) float32 or better, ≤ 0; that of `<pad>` means nothing.
    """
    state = captioner.start(features)
    log_probs = []
    for read, said in zip(pad(tokens[:, :-1], (1, 0), value=START).unbind(1), tokens.unbind(1), strict=True):
        logits, _, _, state = captioner.step(read, state, features)
        log_p = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        log_probs.append(log_p.gather(1, said[:, None]).squeeze(1))
    return torch.stack(log_probs, 1)
