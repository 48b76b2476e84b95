"""The forward and the backwards that attribution methods share.

B images, N copies of them (a multiple of B, image-major), S input tokens, T explained words, R regions, D encoder
features, E embedding, V scores.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from whysaid.attribution.backward import batched_gradient, in_chunks
from whysaid.attribution.broken import broken_decoder_layer, broken_layer
from whysaid.attribution.context import explaining
from whysaid.attribution.explanation import Explanation
from whysaid.attribution.gradient.relus import ReLURule, ReLUs
from whysaid.attribution.lrp.layers import product_dtype
from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictured
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable, Reading


@dataclass(frozen=True)
class Inputs:
    """images (N, C, H, W), or else regions (N, R, D) and their mask (N, R); embedded words (N, S, E)."""

    images: Tensor | None
    regions: Tensor | None
    mask: Tensor | None
    embedded: Tensor

    @property
    def sight(self) -> Tensor:
        """The images, or the regions that stand in for them."""
        sight = self.regions if self.images is None else self.images
        assert sight is not None, "a batch holds images or regions"
        return sight

    def copies(self, sight: Tensor, embedded: Tensor) -> "Inputs":
        """Others of the kind: k for each of these, sight (N, k, …) and embedded words (N, k, S, E)."""
        mask = None if self.mask is None else self.mask.repeat_interleave(sight.shape[1], 0)
        images, regions = (None, sight.flatten(0, 1)) if self.images is None else (sight.flatten(0, 1), None)
        return Inputs(images, regions, mask, embedded.flatten(0, 1))


class EncoderPass(NamedTuple):
    """What the encoder made of the images: a leaf, regions in its graph and their mask, rules of that graph's ReLUs."""

    images: Tensor | None
    regions: Tensor
    mask: Tensor | None
    relus: ReLUs


class Gradients(NamedTuple):
    """Of the explained scores: words (N, T, S, E), regions (N, T, R, D)."""

    words: Tensor
    regions: Tensor


@dataclass(frozen=True)
class FrozenTargets:
    """The same words wherever the input is moved, `predicted` ones too: scores are linear in the logits.

    weights: (B, T, V) of the logits.
    """

    places: list[int]
    context_length: int
    weights: Tensor

    def scores(self, logits: Tensor) -> Tensor:
        """Logits (N, T, V) → what is explained (N, T)."""
        return (self.weights.repeat_interleave(len(logits) // len(self.weights), 0) * logits).sum(2)


class SharedPasses:
    """One forward of encoder and decoder, and its backwards: each is run when first asked for, and kept.

    Args:
        model: in the state of `explaining`.
        inputs: what it sees and reads.
        targets: what is explained.
        chunk: words explained at once, halved by itself where a GPU's memory is not enough.
        dtype: of the products of the encoder's backwards, see `ReLUs`.
    """

    def __init__(
        self,
        model: Explainable,
        inputs: Inputs,
        targets: Targets | FrozenTargets,
        chunk: int,
        dtype: torch.dtype | None = None,
    ):
        self.model, self.inputs, self.targets, self.chunk, self.dtype = model, inputs, targets, chunk, dtype
        self._pixels: dict[ReLURule, Tensor] = {}

    def with_inputs(self, inputs: Inputs) -> "SharedPasses":
        """The same words explained at other inputs, of any number of copies of the images, to the last digit."""
        return SharedPasses(self.model, inputs, self._fixed, self.chunk)

    @cached_property
    def seen(self) -> EncoderPass:
        """The encoder's forward."""
        with ReLUs(self.dtype) as relus:
            if self.inputs.images is None:
                return EncoderPass(None, self.inputs.sight, self.inputs.mask, relus)
            images = self.inputs.images.detach().requires_grad_()
            regions, mask = self.model.encoder(images)
        return EncoderPass(images, regions, mask, relus)

    @cached_property
    def reading(self) -> Reading:
        """The decoder's forward; its graph ends at the regions, where the encoder's begins."""
        embedded, regions = self._leaves
        return self.model.read(embedded[:, : self.targets.context_length], self.model.project(regions, self.seen.mask))

    @cached_property
    def attention(self) -> Tensor:
        """(N, T, R) of the explained words."""
        return self.reading.attention[:, self.targets.places].detach()

    @property
    def regions(self) -> Tensor:
        """(N, R, D), outside of any graph."""
        return self.seen.regions.detach()

    @property
    def scores(self) -> Tensor:
        """(N, T), outside of any graph."""
        return self._scored[1].detach()

    @cached_property
    def gradients(self) -> Gradients:
        """The decoder's backward."""
        outputs, scores = self._scored
        # the last layer sees each word by itself, so one pass gives the seeds of all
        (seeds,) = torch.autograd.grad(scores.sum(), outputs, retain_graph=True)
        alone = torch.eye(scores.shape[1]).to(seeds)

        def some(words: slice) -> tuple[Tensor, ...]:
            return batched_gradient(outputs, list(self._leaves), alone[words, None, :, None] * seeds)

        words, regions = self._chunked(some)
        return Gradients(words.transpose(0, 1), regions.transpose(0, 1))

    def pixels(self, rule: ReLURule = ReLURule.PLAIN) -> Tensor:
        """(N, T, C, H, W): the encoder's backward from the regions' gradients, its ReLUs following the rule.

        Raises UserError: there are no images, or no ReLUs for a rule that is not the gradient's.
        """
        images, regions, _, relus = self.seen
        if images is None:
            raise UserError("there are only regions to explain: give the images, not cached features")
        if rule is not ReLURule.PLAIN and not relus.count:
            raise UserError(
                f"{type(self.model.encoder).__name__} has no ReLU for DeconvNet or Guided Backprop to act on"
            )
        if rule not in self._pixels:
            seeds = self.gradients.regions.transpose(0, 1)
            with relus.following(rule):
                (found,) = self._chunked(lambda words: batched_gradient(regions, [images], seeds[words]))
            self._pixels[rule] = found.transpose(0, 1)
        return self._pixels[rule]

    @property
    def at_once(self) -> int:
        """How many copies of each image to take at once, where all words are explained for each."""
        return max(1, self.chunk // len(self.targets.places))

    @property
    def zero_residual(self) -> Tensor:
        """(N, T) zeros, the residual of methods that do not claim to add up to the score."""
        return self.attention.new_zeros(self.attention.shape[:2])

    @cached_property
    def _leaves(self) -> tuple[Tensor, Tensor]:
        return self.inputs.embedded.detach().requires_grad_(), self.regions.requires_grad_()

    @cached_property
    def _scored(self) -> tuple[Tensor, Tensor]:
        """What the last layer reads for each explained word (N, T, H), and the scores (N, T)."""
        outputs = self.reading.output[:, self.targets.places]
        return outputs, self.targets.scores(self.model.head(outputs))

    @cached_property
    def _fixed(self) -> FrozenTargets:
        if isinstance(self.targets, FrozenTargets):
            return self.targets
        logits = self.model.head(self._scored[0]).detach().requires_grad_()
        (weights,) = torch.autograd.grad(self.targets.scores(logits).sum(), logits)
        return FrozenTargets(self.targets.places, self.targets.context_length, weights)

    def _chunked(self, work: Callable[[slice], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """What `work` finds (n, …) for n words at once, for all T."""
        return in_chunks(len(self.targets.places), self.chunk, work)


class SharedPassMethod(ABC):
    """A method that reads what it needs from passes, so that several methods share them.

    Attributes:
        chunk: words (or copies of an image) explained at once, which caps the memory; None where nothing goes back.
        dtype: of products by which gradients go back to float32 pixels, `float32` or `bfloat16`; None: whatever others
            say. The second takes half the time on hardware that has it, and maps stay within 0.3–1.5 % of their length
            (VGG, ResNet; DeconvNet on EfficientNet 3 %).
        signed: whether maps may be negative, see `speaks_against`.
    """

    signed: bool = True
    chunk: int | None = None
    dtype: str | None = None

    @abstractmethod
    def explain(self, passes: SharedPasses) -> Explanation:
        """What `attribute` returns, within `shared_passes`."""

    def attribute(self, model: Explainable, batch: Pictured | Tensor, targets: Targets) -> Explanation:
        """See `Method`."""
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


def split_copies(x: Tensor, copies: int) -> Tensor:
    """What is known of copies (B·k, …) → (B, k, …)."""
    return x.unflatten(0, (-1, copies))


@contextmanager
def shared_passes(
    model: Explainable, batch: Pictured | Tensor, targets: Targets, chunk: int, dtype: torch.dtype | None = None
) -> Iterator[SharedPasses]:
    """Passes of a batch; within, `model` is in the state of `explaining`.

    Raises UserError: captions do not match the images, or chunk < 1.
    """
    weight = model.embedding.weight
    if chunk < 1:
        raise UserError(f"chunk is the number of words explained at once: give 1 or more, not {chunk}")
    with explaining(model, weight.device):
        targets = targets.to(weight.device)
        images = batch if isinstance(batch, Tensor) else batch.images
        regions, mask = (None, None) if isinstance(batch, Tensor) or images is not None else (batch.regions, batch.mask)
        # copies, since tensors made in inference mode cannot be differentiated
        inputs = Inputs(
            None if images is None else images.to(weight, copy=True),
            None if regions is None else regions.to(weight, copy=True),
            None if mask is None else mask.to(weight.device, copy=True),
            model.embed(targets.inputs()).detach(),
        )
        if len(inputs.sight) != len(inputs.embedded):
            raise UserError(
                f"there are {len(inputs.sight)} images and {len(inputs.embedded)} captions: give one caption to each"
            )
        yield SharedPasses(model, inputs, targets, chunk, dtype)


def require_finite(explanation: Explanation, passes: SharedPasses) -> Explanation:
    """The explanation itself. Raises UserError where a number in it is not finite, with the layer's name."""
    maps = (explanation.pixels, explanation.regions, explanation.words, explanation.residual)
    if any(not part.isfinite().all() for part in maps if part is not None):
        raise UserError(f"the explanation is not finite from {_culprit(passes)} on: check images and weights")
    return explanation


def _culprit(passes: SharedPasses) -> str:
    """The first number that is not finite, in the order of the passes; of a forward, the layer that it comes from."""
    model, inputs = passes.model, passes.inputs
    for name, value in (("the images", inputs.sight), ("the embedded words", inputs.embedded)):
        if not value.isfinite().all():
            return name
    if not passes.regions.isfinite().all():
        return broken_layer(model, lambda: model.encoder(inputs.images)) or "the encoder's output"
    if not passes.scores.isfinite().all():
        return broken_decoder_layer(model, inputs.embedded, passes.regions, passes.seen.mask)
    for name, value in zip(("words", "regions"), passes.gradients, strict=True):
        if not value.isfinite().all():
            return f"the gradient of the {name}"
    return "the encoder's backward"
