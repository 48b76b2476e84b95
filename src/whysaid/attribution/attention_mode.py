"""The attention of a transformer, however it is written, as weights and two products.

N rows, M heads, Q queries, K keys, E width, d width of a head.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from whysaid.attribution.function_mode import FunctionMode
from whysaid.errors import DoesNotApplyError


class AttentionMode(FunctionMode, ABC):
    """A context in which all attention is softmax(q kᵀ) v, step by step, and its weights pass through `weigh`.

    Fused attention hides its weights, and its backward would be repeated in a loop for each of many gradients.
    """

    replaced: ClassVar[Mapping[Any, str]] = {
        torch.softmax: "_softmax",
        Tensor.softmax: "_softmax",
        F.softmax: "_functional_softmax",
        F.scaled_dot_product_attention: "_scaled_dot_product_attention",
        F.multi_head_attention_forward: "_multi_head_attention_forward",
    }

    @abstractmethod
    def weigh(self, weights: Tensor) -> Tensor:
        """Gives what is used in place of the weights (…, Q, K), the outcome of a softmax."""

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """Gives the matrix product of queries with keys, or of weights with values."""
        return a @ b

    def project(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Gives W x + b of a module whose layers are hidden in one function."""
        return F.linear(x, weight, bias)

    def _softmax(self, x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
        return self.weigh(torch.softmax(x, dim, dtype=dtype))

    def _functional_softmax(
        self, x: Tensor, dim: int = -1, _stacklevel: int = 3, dtype: torch.dtype | None = None
    ) -> Tensor:
        return self._softmax(x, dim, dtype)

    def _scaled_dot_product_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Attends as torch does, without dropout: queries (…, M, Q, d), keys and values (…, M, K, d)."""
        if enable_gqa:
            key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
        scores = self.multiply(query, key.transpose(-1, -2)) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if attn_mask is None:
            return self.multiply(self.weigh(scores.softmax(-1)), value)
        if attn_mask.dtype != torch.bool:
            return self.multiply(self.weigh((scores + attn_mask).softmax(-1)), value)
        weights = scores.masked_fill(~attn_mask, float("-inf")).softmax(-1)
        return self.multiply(self.weigh(weights.masked_fill(~attn_mask.any(-1, keepdim=True), 0.0)), value)

    def _multi_head_attention_forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        embed_dim_to_check: int,
        num_heads: int,
        in_proj_weight: Tensor | None,
        in_proj_bias: Tensor | None,
        bias_k: Tensor | None,
        bias_v: Tensor | None,
        add_zero_attn: bool,
        dropout_p: float,
        out_proj_weight: Tensor,
        out_proj_bias: Tensor | None,
        training: bool = True,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
        **other: Any,
    ) -> tuple[Tensor, None]:
        """Attends as `torch.nn.MultiheadAttention` does: queries (Q, N, E), keys and values (K, N, E).

        Raises:
            UserError: its keys and values have another width than E, or it adds keys of its own.
        """
        if in_proj_weight is None or bias_k is not None or add_zero_attn or other.get("static_k") is not None:
            raise DoesNotApplyError(
                "this method knows nn.MultiheadAttention with one width and without keys of its own alone"
            )
        biases = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        projected = map(self.project, (query, key, value), in_proj_weight.chunk(3), biases)
        q, k, v = (x.unflatten(2, (num_heads, -1)).permute(1, 2, 0, 3) for x in projected)
        mask = _joined(attn_mask, key_padding_mask, q)
        summed = self._scaled_dot_product_attention(q, k, v, mask).permute(2, 0, 1, 3).flatten(2)
        return self.project(summed, out_proj_weight, out_proj_bias), None


def _joined(mask: Tensor | None, padding: Tensor | None, like: Tensor) -> Tensor | None:
    """Makes one mask to add to scores (N, M, Q, K), of a mask (Q, K) or (N·M, Q, K) and one of keys (N, K)."""
    parts = [part if part.ndim == 2 else part.unflatten(0, (len(like), -1)) for part in (mask,) if part is not None]
    parts += [part[:, None, None] for part in (padding,) if part is not None]
    joined: Tensor | None = None
    for part in parts:
        if part.dtype == torch.bool:  # True where a key may not be looked at
            part = like.new_zeros(part.shape).masked_fill(part, float("-inf"))
        joined = part if joined is None else joined + part
    return joined
