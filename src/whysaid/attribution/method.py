"""What every attribution method is, and what it returns.

B images, T explained words, S input tokens, R regions, C colour channels.
"""

from dataclasses import dataclass, replace
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
        words: (B, T, S) on the input tokens, summed over the embedding; a captioner reads its prompt, if it has one,
            then `<start>` and the words before. What was not yet read when a word was said has 0. All 0 from methods
            that explain images only.
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
    """Whether the signs of a method's numbers say for and against a word; one whose signs do not has `signed = False`.

    Such are methods whose numbers are never negative, and those whose sign is a gradient's: it says whether a pixel
    should become brighter or darker, and both lie on a rightly named object (Guided Backprop and its kin).
    """
    return bool(getattr(method, "signed", True))


def adds_up(method: Method) -> bool:
    """Whether a method's relevances of pixels and of words are parts of one score, in its unit, so that their sums
    compare; the class of such a method has `parts_of_score = True`."""
    return bool(getattr(method, "parts_of_score", False))


def uniform_share(method: Method, explanation: Explanation) -> float | None:
    """What each of R regions has where a method that gives shares of one (`shares = True`) prefers none: 1 / R.

    None of other methods, whose numbers have no such neutral value.
    """
    return 1 / explanation.regions.shape[2] if getattr(method, "shares", False) else None


def as_shown(method: Method, explanation: Explanation) -> Explanation:
    """Gives the numbers that pictures, reports and files show: magnitudes where `speaks_against` says no."""
    if speaks_against(method):
        return explanation
    pixels = None if explanation.pixels is None else explanation.pixels.abs()
    return replace(explanation, pixels=pixels, regions=explanation.regions.abs(), words=explanation.words.abs())
