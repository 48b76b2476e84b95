"""What every attribution method is, and what it returns.

B images, T explained words, S input tokens, R regions, C colour channels.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictured
from whysaid.models.explainable import Explainable


@dataclass
class Explanation:
    """How much each part of the input spoke for (> 0) or against (< 0) each explained word.

    Attributes:
        pixels: (B, T, C, H, W) on the encoder's input, C = 1 where a method has one map for all channels; None where
            the model was given regions instead of images.
        regions: (B, T, R) on the encoder's output, all routes to it added; 0 on masked regions.
        words: (B, T, S) on the input tokens, summed over the embedding; a captioner's index 0 is `<start>`, and word t
            of its caption was said after reading indices 0 … t: beyond, all is 0. All 0 from methods that explain
            images only.
        residual: (B, T) of methods that claim to add up to the score: the score less all that is attributed (to pixels
            and words; without pixels, to regions and words). LRP: what ε and biases took; integrated gradients, which
            add up to the score less the baseline's: the error of finite steps. 0 where nothing is lost, and from
            methods without that claim.
    """

    pixels: Tensor | None
    regions: Tensor
    words: Tensor
    residual: Tensor


class Method(Protocol):
    """One way to explain, its settings in `conf/attribution/<name>.yaml`."""

    def attribute(self, model: Explainable, batch: Pictured | Tensor, targets: Targets) -> Explanation:
        """Explains the words of one caption (or answers to one question) per image.

        Args:
            model: a captioner, or any other; left as it was found.
            batch: images (B, C, H, W) as the encoder's preprocessing makes them, or a batch with images or regions.
            targets: the captions and which of their words.

        Raises:
            UserError: captions do not match the images, the method does not apply to the model or to such a batch, or a
                map is not finite.
        """
        ...


def speaks_against(method: Method) -> bool:
    """Whether a method's maps may speak against a word; one whose maps never do has `signed = False`."""
    return bool(getattr(method, "signed", True))
