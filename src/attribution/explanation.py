"""What every attribution method returns.

B images, T explained words, S input tokens, R regions, C colour channels.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Explanation:
    """How much each part of the input spoke for (> 0) or against (< 0) each explained word.

    pixels: (B, T, C, H, W) on the encoder's input, or None where the captioner was given regions instead of images.
    regions: (B, T, R) on the encoder's output, all routes to it added; 0 on masked regions.
    words: (B, T, S) on the input tokens, summed over the embedding; a captioner's index 0 is `<start>`, and word t of
        its caption was said after reading indices 0 … t: beyond, all is 0.
    residual: (B, T) the explained score less all relevance (of pixels and words; without pixels, of regions and words):
        what ε and biases took. 0 where a method conserves.
    """

    pixels: Tensor | None
    regions: Tensor
    words: Tensor
    residual: Tensor
