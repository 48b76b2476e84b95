"""The forward and the backwards that attribution methods share.

B images, N copies of them (a multiple of B, image-major), S input tokens, T explained words, R regions, D encoder
features, E embedding, V scores.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from whysaid.attribution.backward import batched_gradient, in_chunks
from whysaid.attribution.explaining import explaining
from whysaid.attribution.gradient.relus import ReLURule, ReLUs
from whysaid.attribution.targets import FrozenTargets, Targets
from whysaid.data.batch import Pictured
from whysaid.errors import DoesNotApplyError, UserError
from whysaid.models.explainable import Explainable, Reading


@dataclass(frozen=True)
class Inputs:
    """The photo or regions that a model sees, and the words that it reads.

    Attributes:
        images: (N, C, H, W), or None.
        regions: (N, R, D) in place of images, or None.
        mask: (N, R) of these regions, or None.
        embedded: (N, S, E) words.
    """

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
        """Makes inputs of the same kind, k for each of these: sight (N, k, …) and embedded words (N, k, S, E)."""
        mask = None if self.mask is None else self.mask.repeat_interleave(sight.shape[1], 0)
        images, regions = (None, sight.flatten(0, 1)) if self.images is None else (sight.flatten(0, 1), None)
        return Inputs(images, regions, mask, embedded.flatten(0, 1))


class EncoderPass(NamedTuple):
    """One forward of the encoder.

    Attributes:
        images: (N, C, H, W) a leaf, or None where there are none.
        regions: (N, R, D), in the graph of the images.
        mask: (N, R) of these, or None.
        relus: the rules of that graph's ReLUs.
    """

    images: Tensor | None
    regions: Tensor
    mask: Tensor | None
    relus: ReLUs


class Gradients(NamedTuple):
    """Gradients of the explained scores: of words (N, T, S, E) and of regions (N, T, R, D)."""

    words: Tensor
    regions: Tensor


class SharedPasses:
    """One forward of encoder and decoder, and its backwards: each is run when first asked for, and kept.

    Args:
        model: in the state of `explaining`.
        inputs: the images or regions, and the words.
        targets: the explained scores.
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
        """Makes passes that explain the same words at other inputs, of any number of copies of the images."""
        return SharedPasses(self.model, inputs, self._fixed, self.chunk)

    def with_targets(self, targets: Targets) -> "SharedPasses":
        """Makes passes that explain other words at the same inputs, and share the encoder's forward."""
        others = SharedPasses(self.model, self.inputs, targets, self.chunk, self.dtype)
        others.encoder_pass = self.encoder_pass
        return others

    @cached_property
    def encoder_pass(self) -> EncoderPass:
        """The encoder's forward."""
        return self.encode()

    @cached_property
    def reading(self) -> Reading:
        """The decoder's forward; its graph ends at the regions, where the encoder's begins."""
        return self.read()

    def encode(self) -> EncoderPass:
        """Runs the encoder."""
        with ReLUs(self.dtype) as relus:
            if self.inputs.images is None:
                return EncoderPass(None, self.inputs.sight, self.inputs.mask, relus)
            images = self.inputs.images.detach().requires_grad_()
            regions, mask = self.model.encoder(images)
        return EncoderPass(images, regions, mask, relus)

    def read(self) -> Reading:
        """Runs the decoder."""
        embedded, regions = self._leaves
        return self.model.read(
            embedded[:, : self.targets.context_length], self.model.project(regions, self.encoder_pass.mask)
        )

    @cached_property
    def attention(self) -> Tensor:
        """Attention (N, T, R) at the explained words."""
        return self.reading.attention[:, self.targets.places].detach()

    @property
    def regions(self) -> Tensor:
        """Regions (N, R, D), outside of any graph."""
        return self.encoder_pass.regions.detach()

    @property
    def scores(self) -> Tensor:
        """Explained scores (N, T), outside of any graph."""
        return self._scored[1].detach()

    @cached_property
    def gradients(self) -> Gradients:
        """The decoder's backward."""
        outputs, scores = self._scored
        # the last layer sees each word by itself, so one pass gives the seeds of all
        (seeds,) = torch.autograd.grad(scores.sum(), outputs, retain_graph=True)
        alone = torch.eye(scores.shape[1]).to(seeds)

        def gradients_of(words: slice) -> tuple[Tensor, ...]:
            return batched_gradient(outputs, list(self._leaves), alone[words, None, :, None] * seeds)

        words, regions = self._chunked(gradients_of)
        return Gradients(words.transpose(0, 1), regions.transpose(0, 1))

    def pixels(self, rule: ReLURule = ReLURule.PLAIN) -> Tensor:
        """Gives gradients (N, T, C, H, W): the encoder's backward from the regions', its ReLUs following the rule.

        Raises:
            UserError: there are no images, or no ReLUs for a rule that is not the gradient's.
        """
        images, regions, _, relus = self.encoder_pass
        if images is None:
            raise UserError("there are only regions to explain: give the images, not cached features")
        if rule is not ReLURule.PLAIN and not relus.count:
            raise DoesNotApplyError(
                f"{type(self.model.encoder).__name__} has no ReLU for DeconvNet or Guided Backprop to act on"
            )
        if rule not in self._pixels:
            seeds = self.gradients.regions.transpose(0, 1)
            with relus.following(rule):
                (gradient,) = self._chunked(lambda words: batched_gradient(regions, [images], seeds[words]))
            self._pixels[rule] = gradient.transpose(0, 1)
        return self._pixels[rule]

    @property
    def at_once(self) -> int:
        """Number of copies of each image to take at once, where all words are explained for each."""
        return max(1, self.chunk // len(self.targets.places))

    @property
    def zero_residual(self) -> Tensor:
        """Zeros (N, T), the residual of methods that do not claim to add up to the score."""
        return self.attention.new_zeros(self.attention.shape[:2])

    @cached_property
    def _leaves(self) -> tuple[Tensor, Tensor]:
        return self.inputs.embedded.detach().requires_grad_(), self.regions.requires_grad_()

    @cached_property
    def _scored(self) -> tuple[Tensor, Tensor]:
        """Inputs of the last layer for each explained word (N, T, H), and the scores (N, T)."""
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
        """Runs `work`, which gives (n, …) for n words at once, for all T."""
        return in_chunks(len(self.targets.places), self.chunk, work)


def split_copies(x: Tensor, copies: int) -> Tensor:
    """Splits rows of copies (B·k, …) into (B, k, …)."""
    return x.unflatten(0, (-1, copies))


@contextmanager
def shared_passes(
    model: Explainable, batch: Pictured | Tensor, targets: Targets, chunk: int, dtype: torch.dtype | None = None
) -> Iterator[SharedPasses]:
    """Makes the passes of a batch; within, `model` is in the state of `explaining`.

    Args:
        model: a captioner, or any other; left as it was found.
        batch: images (B, C, H, W), or a batch with images or regions.
        targets: the explained words.
        chunk: words explained at once.
        dtype: of the products of the encoder's backwards, see `ReLUs`.

    Raises:
        UserError: captions do not match the images, or chunk < 1.
    """
    with explained_inputs(model, batch, targets, chunk) as (inputs, targets):
        yield SharedPasses(model, inputs, targets, chunk, dtype)


@contextmanager
def explained_inputs(
    model: Explainable, batch: Pictured | Tensor, targets: Targets, chunk: int
) -> Iterator[tuple[Inputs, Targets]]:
    """Makes the inputs of a batch, and copies of the targets beside them; what is as `shared_passes` says."""
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
        yield inputs, targets
