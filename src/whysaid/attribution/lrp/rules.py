"""Rules of layer-wise relevance propagation as data (Bach et al. 2015; Montavon et al. 2019).

Every rule shares the relevance R of a linear layer's outputs y = W x + b among its inputs as

    R_in = Σ_shares fraction · Σ_terms x_k ⊙ W_kᵀ(± R / z),    z = Σ_terms ± (W_k x_k + b_k),

where a term modifies input, weight and bias, ± is + or, for a term that is turned, the sign of y, and z is kept ε away
from 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from whysaid.data.images import Preprocessing
from whysaid.errors import DoesNotApplyError, UserError

Modifier = Callable[[Tensor], Tensor]


def same(x: Tensor) -> Tensor:
    """Leaves x as it is."""
    return x


def positive(x: Tensor) -> Tensor:
    """Gives x⁺ = max(x, 0)."""
    return x.clamp(min=0)


def negative(x: Tensor) -> Tensor:
    """Gives x⁻ = min(x, 0)."""
    return x.clamp(max=0)


@dataclass(frozen=True)
class Times:
    """Gives `factor` times x."""

    factor: float

    def __call__(self, x: Tensor) -> Tensor:
        return self.factor * x


@dataclass(frozen=True)
class Term:
    """One product of a modified input with a modified weight.

    Attributes:
        input: x → x_k, entrywise x, −x or 0, unless `replaces`.
        weight: W → W_k.
        bias: b → b_k, which keeps its part of the relevance; None leaves it out.
        turned: the product speaks for an output that is not negative, and is subtracted from one that is.
        replaces: x_k is something else than x; relevance is then no multiple of x, and only a first layer can take it.
    """

    input: Modifier = same
    weight: Modifier = same
    bias: Modifier | None = None
    turned: bool = False
    replaces: bool = False


@dataclass(frozen=True)
class Share:
    """A fraction of the relevance, shared in proportion to the terms.

    Attributes:
        terms: the products.
        fraction: of the relevance.
    """

    terms: tuple[Term, ...]
    fraction: float = 1.0


PLAIN = Share((Term(bias=same),))
"""In proportion to the layer's own products: z = y."""


@dataclass(frozen=True)
class Rule:
    """How a layer's relevance is divided among its inputs.

    Attributes:
        shares: the parts.
        epsilon: keeps each z away from 0, in the units of the layer's output.
    """

    shares: tuple[Share, ...]
    epsilon: float = 1e-9

    @property
    def first_only(self) -> bool:
        """Whether the rule needs a layer that reads the pixels themselves."""
        return any(term.replaces for share in self.shares for term in share.terms)


def epsilon(epsilon: float = 0.01) -> Rule:
    """R_in = x ⊙ Wᵀ(R / (y + ε sign y)), with the bias in y (Bach et al. 2015, Eq. 58)."""
    return Rule((PLAIN,), epsilon)


def alpha_beta(alpha: float = 1.0, beta: float = 0.0, epsilon: float = 1e-9) -> Rule:
    """α of what spoke for y and −β of what spoke against it, without biases (Bach et al. 2015, Eq. 60).

    x⁺W⁺ + x⁻W⁻ speaks for, x⁺W⁻ + x⁻W⁺ against, so that inputs may have any sign. α1β0 is also called z⁺. Relevance of
    an output that nothing but a bias speaks for has nowhere to go and is lost: 9 inputs of a depthwise convolution may
    well all speak against it.

    Raises:
        UserError: α − β is not 1, and relevance would not be conserved.
    """
    if abs(alpha - beta - 1) > 1e-9 or beta < 0:
        raise UserError(f"the αβ-rule conserves relevance for α − β = 1 and β ≥ 0, not for α = {alpha} and β = {beta}")
    speaking = Share((Term(positive, positive), Term(negative, negative)), alpha)
    objecting = Share((Term(positive, negative), Term(negative, positive)), -beta)
    return Rule((speaking, objecting) if beta else (speaking,), epsilon)


def gamma(gamma: float = 0.25, epsilon: float = 1e-9) -> Rule:
    """Counts what agrees with the sign of y 1 + γ times (Montavon et al. 2019, for inputs and outputs of any sign).

    With σ the sign of y, what agrees with it is W x + b and σ (|W| |x| + |b|), half of each. So

        z = (1 + γ/2) y + γ/2 · σ (|W| |x| + |b|),

    and relevance goes back by two products in place of the four of W⁺ and W⁻ with x⁺ and x⁻.
    """
    plain, magnitude = Times(1 + gamma / 2), partial(_magnitude, gamma / 2)
    return Rule((Share((Term(same, plain, plain), Term(torch.abs, magnitude, magnitude, turned=True))),), epsilon)


def z_box(preprocessing: Preprocessing, epsilon: float = 1e-9) -> Rule:
    """z^B: x W − l W⁺ − h W⁻ for pixels that the encoder's preprocessing bounds to [l, h] (Montavon et al. 2017)."""
    low = [-m / s for m, s in zip(preprocessing.mean, preprocessing.std, strict=True)]
    high = [(1 - m) / s for m, s in zip(preprocessing.mean, preprocessing.std, strict=True)]
    bounds = Term(partial(_minus, low), positive, replaces=True), Term(partial(_minus, high), negative, replaces=True)
    return Rule((Share((Term(), *bounds)),), epsilon)


def flat(epsilon: float = 1e-9) -> Rule:
    """Every input of an output takes the same, whatever its value and weight (Lapuschkin et al. 2019)."""
    return Rule((Share((Term(torch.ones_like, torch.ones_like, replaces=True),)),), epsilon)


def w_square(epsilon: float = 1e-9) -> Rule:
    """w²: in proportion to the squared weights, whatever the input (Montavon et al. 2017)."""
    return Rule((Share((Term(torch.ones_like, torch.square, replaces=True),)),), epsilon)


def _magnitude(factor: float, x: Tensor) -> Tensor:
    return factor * x.abs()


def _minus(bound: Sequence[float], x: Tensor) -> Tensor:
    """Gives −bound of each channel, in the shape of images x (B, C, H, W)."""
    if x.ndim != 4 or x.shape[1] != len(bound):
        raise DoesNotApplyError(
            "z^B needs an encoder whose first layer is a convolution of the pixels: choose another first rule"
        )
    return -x.new_tensor(bound).view(-1, 1, 1).expand_as(x)
