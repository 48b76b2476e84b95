"""Attribution methods that read what they need from shared passes."""

from abc import ABC, abstractmethod

from torch import Tensor

from whysaid.attribution.gradient.shared_passes import SharedPasses, shared_passes
from whysaid.attribution.lrp.layers import product_dtype
from whysaid.attribution.method import Explanation
from whysaid.attribution.non_finite import non_finite_decoder_layer, non_finite_layer
from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictured
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable


class SharedPassMethod(ABC):
    """A method that reads what it needs from passes, so that several methods share them.

    Attributes:
        chunk: words (or copies of an image) explained at once, which caps the memory; None where nothing goes back.
        dtype: of products by which gradients go back to float32 pixels, `float32` or `bfloat16`; None: whatever others
            say. The second takes half the time on hardware that has it, and maps stay within 0.3–1.5 % of their length
            (VGG, ResNet; DeconvNet on EfficientNet 3 %).
        signed: whether signs say for and against, see `speaks_against`.
        parts_of_score: whether pixels and words are given parts of one score, see `adds_up`.
        shares: whether regions are given shares of one, see `uniform_share`.
    """

    signed: bool = True
    parts_of_score: bool = False
    shares: bool = False
    chunk: int | None = None
    dtype: str | None = None

    @abstractmethod
    def explain(self, passes: SharedPasses) -> Explanation:
        """Explains within `shared_passes` what these are of, as `Method.attribute` says."""

    def attribute(self, model: Explainable, batch: Pictured | Tensor, targets: Targets) -> Explanation:
        """Explains the words of one caption per image, as `Method.attribute` says."""
        dtype = product_dtype(self.dtype)
        with shared_passes(model, batch, targets, 1 if self.chunk is None else self.chunk, dtype) as passes:
            return require_finite(self.explain(passes), passes)


class PixelGradientMethod(SharedPassMethod):
    """A method whose gradients go back to the pixels.

    Args:
        chunk: words explained at once, which caps the memory.
        dtype: see `SharedPassMethod`.
    """

    def __init__(self, chunk: int = 4, dtype: str | None = None):
        self.chunk, self.dtype = chunk, dtype


def require_finite(explanation: Explanation, passes: SharedPasses) -> Explanation:
    """Gives the explanation back. Raises UserError where a number in it is not finite, with the layer's name."""
    maps = (explanation.pixels, explanation.regions, explanation.words, explanation.residual)
    if any(not part.isfinite().all() for part in maps if part is not None):
        raise UserError(f"the explanation is not finite from {_culprit(passes)} on: check images and weights")
    return explanation


def _culprit(passes: SharedPasses) -> str:
    """Names the first result that is not finite, in the order of the passes; of a forward, its layer."""
    model, inputs = passes.model, passes.inputs
    for name, value in (("the images", inputs.sight), ("the embedded words", inputs.embedded)):
        if not value.isfinite().all():
            return name
    if not passes.regions.isfinite().all():
        return non_finite_layer(model, lambda: model.encoder(inputs.images)) or "the encoder's output"
    if not passes.scores.isfinite().all():
        return non_finite_decoder_layer(model, inputs.embedded, passes.regions, passes.encoder_pass.mask)
    for name, value in zip(("words", "regions"), passes.gradients, strict=True):
        if not value.isfinite().all():
            return f"the gradient of the {name}"
    return "the encoder's backward"
