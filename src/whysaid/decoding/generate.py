"""Word by word, each row for itself: the loop that greedy decoding and all sampling share.

B batch, n captions per image, b images still in the batch, N = b·n rows, image-major; V vocabulary.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from whysaid.data.vocabulary import END, PAD, START
from whysaid.decoding.decoder import Decoded, Filter, Stepper, word_log_probs
from whysaid.decoding.shrink import keep_images, rows_of, survivors
from whysaid.models.captioner import example, repeat, select


def generate(
    captioner: Stepper,
    features: Any,
    choose: Callable[[Tensor], Tensor],
    number: int,
    max_length: int,
    filters: Sequence[Filter],
) -> Decoded:
    """`number` captions per image, ranked by log-probability.

    Args:
        captioner: model.
        features: of B images.
        choose: log-probabilities (N, V), −inf where forbidden → the next words (N,).
        number: n, captions per image.
        max_length: tokens at most, `<end>` included.
        filters: what words are forbidden.
    """
    state = repeat(captioner.start(features), number)
    like = example(state)
    device = like.device
    images = torch.arange(len(features), device=device)
    words = torch.full((len(features) * number,), START, device=device)
    ended = torch.zeros_like(words, dtype=torch.bool)
    tokens = torch.full((len(features), number, max_length), PAD, device=device)
    log_probs = torch.zeros(len(features), number, device=device, dtype=torch.promote_types(like.dtype, torch.float32))
    for t in range(max_length):
        logits, _, _, state = captioner.step(words, state, features)
        log_p = word_log_probs(logits, tokens[images, :, :t].flatten(0, 1), filters)
        words = choose(log_p)
        gained = log_p.gather(1, words[:, None]).squeeze(1).masked_fill(ended, 0)
        words = words.masked_fill(ended, PAD)
        tokens[images, :, t] = words.view(-1, number)
        log_probs[images] += gained.view(-1, number)
        ended = ended | (words == END)
        kept = survivors(~ended.view(-1, number).all(1))
        if kept is None:
            continue
        if len(kept) == 0:
            break
        rows = rows_of(kept, number)
        images, words, ended = images[kept], words[rows], ended[rows]
        state, features = select(state, rows), keep_images(features, kept)
    order = log_probs.argsort(1, descending=True)
    log_probs = log_probs.gather(1, order)
    return Decoded(tokens.take_along_dim(order[:, :, None], 1), log_probs, log_probs).trimmed()
