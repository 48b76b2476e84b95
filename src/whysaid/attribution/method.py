"""What every attribution method is."""

from typing import Protocol

from torch import Tensor

from whysaid.attribution.explanation import Explanation
from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictured
from whysaid.models.explainable import Explainable


class Method(Protocol):
    """One way to explain, its settings in `conf/attribution/<name>.yaml`."""

    def attribute(self, model: Explainable, batch: Pictured | Tensor, targets: Targets) -> Explanation:
        """Explains the words of one caption (or answers to one question) per image.

        Args:
            model: a captioner, or any other; left as it was found.
            batch: images (B, C, H, W) as the encoder's preprocessing makes them, or a batch with images or regions.
            targets: the captions and which of their words.

        Raises UserError: captions do not match the images, the method does not apply to the model or to such a batch,
        or a map is not finite.
        """
        ...


def speaks_against(method: Method) -> bool:
    """Whether a method's maps may speak against a word; one whose maps never do has `signed = False`."""
    return bool(getattr(method, "signed", True))
