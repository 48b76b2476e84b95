"""What BLIP-2 sees of an image: queries that look at its regions.

B images, Q queries, R regions, D width of a region, E embedding.
"""

from typing import Any

from torch import Tensor, nn

from whysaid.models.transformers.cross_attention import mean_attention


class Queries(nn.Module):
    """The Q-Former, and the projection of what it found to what a language model reads.

    Args:
        pretrained: a `Blip2ForConditionalGeneration`.
    """

    def __init__(self, pretrained: Any):
        super().__init__()
        self.qformer, self.projection = pretrained.qformer, pretrained.language_projection
        self.query_tokens = pretrained.query_tokens

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Regions (B, R, D) → outputs (B, Q, E), and what these looked at (B, Q, R), mean over layers and heads.

        The Q-Former of a model in float16 stays in float32; what leaves it is of the regions' kind.
        """
        queries = self.query_tokens.expand(len(regions), -1, -1)
        seen = self.qformer(query_embeds=queries, encoder_hidden_states=regions, output_attentions=True)
        outputs: Tensor = self.projection(seen.last_hidden_state.to(regions.dtype))
        return outputs, mean_attention(seen.cross_attentions).to(regions.dtype)
