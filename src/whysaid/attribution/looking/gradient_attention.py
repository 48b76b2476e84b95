"""Attention weighted by its gradient, from layer to layer (Chefer et al. 2021), and of one layer alone.

N images, T explained words, n of them at once, R regions, S words read, X = R + S tokens, Q queries, K keys.
"""

import torch
from torch import Tensor

from whysaid.attribution.backward import in_chunks
from whysaid.attribution.looking.attention_passes import AttentionMethod, AttentionPasses
from whysaid.errors import DoesNotApplyError, UserError
from whysaid.models.attention_places import AttentionPlaces


class GradientAttention(AttentionMethod):
    """Relevance of every token for every other, updated at each attention by Ā = E_h((∇A ⊙ A)⁺) (Eq. 5).

    Tokens that attend to themselves and others take R ← R + Ā R (Eq. 6–7); those that attend to others alone take
    R^sq ← R^sq + (R̄^ss)ᵀ Ā R̄^qq (Eq. 10), R̄ being R with rows that sum to 1 beside the identity (Eq. 8–9), and from
    all further tokens c R^sc ← R^sc + Ā R^qc (Eq. 11).

    Raises:
        UserError: the model is no transformer.
    """

    def relevance(self, passes: AttentionPasses) -> Tensor:
        places = [part.places for part in passes.maps]

        def of_words(words: slice) -> tuple[Tensor, ...]:
            asked = passes.asked(words)
            size = passes.regions.shape[1] + passes.words
            gathered = torch.eye(size).to(asked[0]).expand(*asked[0].shape[:2], size, size)
            for attention, between in zip(asked, places, strict=True):
                gathered = _updated(gathered, attention, between)
            gathered = gathered - torch.eye(size).to(gathered)
            chosen = torch.tensor(passes.outputs[words], device=gathered.device).view(-1, 1, 1, 1)
            return (gathered.take_along_dim(chosen, 2)[:, :, 0],)

        (relevance,) = in_chunks(len(passes.outputs), self.chunk, of_words)
        return relevance.transpose(0, 1)


class AttentionGradCam(AttentionMethod):
    """Grad-CAM on attention to the regions in one layer: E_h((∇A ⊙ A)⁺) (Li et al. 2021, ALBEF).

    It is that of the token that says the word; where only others look at the image, as the words of a question do for
    an answer of BLIP, it is their mean. Words are all 0.

    Args:
        layer: which of the layers that attend to the regions, counted from 0, or from −1 backwards; None: their mean.
        chunk: words explained at once, which caps the memory.

    Raises:
        UserError: the model is no transformer, or has no such layer.
    """

    def __init__(self, layer: int | None = None, chunk: int = 4):
        super().__init__(chunk)
        self.layer = layer

    def relevance(self, passes: AttentionPasses) -> Tensor:
        regions = passes.regions.shape[1]
        looking = [n for n, part in enumerate(passes.maps) if _looks(part.places, regions)]
        if not looking:
            raise DoesNotApplyError(f"no layer of {type(passes.model).__name__} attends to the image")
        if not -len(looking) <= (self.layer or 0) < len(looking):
            raise UserError(
                f"{len(looking)} layers of {type(passes.model).__name__} attend to the image, and there is no layer "
                f"{self.layer} among them: count from 0, or from -1 backwards"
            )
        chosen = looking if self.layer is None else [looking[self.layer]]

        def of_words(words: slice) -> tuple[Tensor, ...]:
            asked, outputs = passes.asked(words), passes.outputs[words]
            return (torch.stack([_given(asked[n], passes.maps[n].places, outputs, regions) for n in chosen]).mean(0),)

        (relevance,) = in_chunks(len(passes.outputs), self.chunk, of_words)
        return torch.nn.functional.pad(relevance.transpose(0, 1), (0, passes.words))


def _looks(between: AttentionPlaces, regions: int) -> bool:
    """Whether words attend to regions."""
    return bool((between.queries >= regions).any()) and bool((between.keys < regions).any())


def _given(attention: Tensor, between: AttentionPlaces, outputs: list[int], regions: int) -> Tensor:
    """Takes what each of n tokens, or the mean of others, gives to the regions (n, N, R) out of Ā (n, N, Q, K)."""
    queries, keys = between
    of_regions = keys < regions
    own = (queries == torch.tensor(outputs, device=queries.device).unsqueeze(1)).to(attention)  # (n, Q)
    rows = torch.where(own.any(1, keepdim=True), own, (queries >= regions).to(attention) / len(queries))
    given = torch.einsum("nq,nbqk->nbk", rows, attention)[..., of_regions]
    return given.new_zeros(*given.shape[:2], regions).index_copy(2, keys[of_regions], given)


def _updated(relevance: Tensor, attention: Tensor, between: AttentionPlaces) -> Tensor:
    """Gives R (n, N, X, X) behind an attention Ā (n, N, Q, K)."""
    queries, keys = between
    rows, of_keys = relevance[:, :, queries], relevance[:, :, keys]
    added = attention @ of_keys
    if not between.inward:
        own, others = _normalised(rows[..., queries]), _normalised(of_keys[..., keys])
        added = added.index_copy(3, keys, own.transpose(2, 3) @ attention @ others)
    return relevance.index_copy(2, queries, rows + added)


def _normalised(relevance: Tensor) -> Tensor:
    """Gives R̄: what was added to the identity, each row divided by its sum, and the identity (Eq. 8–9)."""
    identity = torch.eye(relevance.shape[-1]).to(relevance)
    added = relevance - identity
    total = added.sum(-1, keepdim=True)
    return torch.where(total == 0, 0.0, added / torch.where(total == 0, 1.0, total)) + identity
