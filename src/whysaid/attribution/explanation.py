"""What every attribution method returns.

B images, T explained words, S input tokens, R regions, C colour channels.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Explanation:
    """How much each part of the input spoke for (> 0) or against (< 0) each explained word.

    pixels: (B, T, C, H, W) on the encoder's input, C = 1 where a method has one map for all channels; or None where the
        model was given regions instead of images.
    regions: (B, T, R) on the encoder's output, all routes to it added; 0 on masked regions.
    words: (B, T, S) on the input tokens, summed over the embedding; a captioner's index 0 is `<start>`, and word t of
        its caption was said after reading indices 0 … t: beyond, all is 0. All 0 from methods that know of images only.
    residual: (B, T) of methods that claim to add up to the score: the score less all that is attributed (to pixels and
        words; without pixels, to regions and words). LRP: what ε and biases took; integrated gradients, which add up to
        the score less the baseline's: the error of finite steps. 0 where nothing is lost, and of methods without claim.
    """

    pixels: Tensor | None
    regions: Tensor
    words: Tensor
    residual: Tensor
