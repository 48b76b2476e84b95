"""Layer-wise relevance propagation through captioner and encoder as one backward (Algorithm 1 of Sun et al. 2020).

B images, S words of a caption, T explained words, n words of a chunk, R regions, D encoder features, E embedding,
H what the vocabulary layer reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from whysaid.attribution.backward import batched_gradient, in_chunks
from whysaid.attribution.explaining import explaining
from whysaid.attribution.lrp.composite import PAPER, TEXT, TOWER, Composite, Rules
from whysaid.attribution.lrp.layers import Layer
from whysaid.attribution.lrp.products import check_products
from whysaid.attribution.method import Explanation
from whysaid.attribution.non_finite import non_finite_decoder_layer
from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictured
from whysaid.errors import DoesNotApplyError, UserError
from whysaid.models.explainable import Explainable
from whysaid.models.relevance import lrp


@dataclass
class Trace:
    """One forward under rules: what the backward starts from and what it goes to.

    Attributes:
        outputs: (B, T, H) before the vocabulary layer.
        seeds: (B, T, H), gradients of the explained scores by these.
        scores: (B, T).
        embedded: (B, S, E), a leaf.
        regions: (B, R, D), a leaf or in the graph of the images.
        mask: (B, R) of these, or None.
        images: (B, C, H, W), a leaf, or None.
        layers: those that followed rules, first to last.
    """

    outputs: Tensor
    seeds: Tensor
    scores: Tensor
    embedded: Tensor
    regions: Tensor
    mask: Tensor | None
    images: Tensor | None
    layers: list[Layer]


class LRP:
    """Relevance of pixels, regions and words for each word of a caption, all words of all images in one backward.

    What is behind the encoder follows its marks (src/whysaid/models/relevance.py), or rules where a model has none.

    Args:
        composite: the rules of an encoder of convolutions; by default the paper's.
        epsilon: of the marks, that is of the captioner's linear maps, sums and LSTM, in logits; paper: 0.01.
        chunk: words explained at once, which caps the memory; halved by itself where a GPU's is not enough.
        tower: the rules of an encoder that is a transformer; None: such a model is refused.
        text: the rules of what is behind the encoder in a model without marks; None: such a model is refused.
        marks: whether to follow the marks of a model that has them; otherwise `text` rules it too.

    Raises:
        UserError: chunk < 1, epsilon < 0, or marks are not to be followed and there are no other rules.
    """

    parts_of_score = True

    def __init__(
        self,
        composite: Composite = PAPER,
        epsilon: float = 0.01,
        chunk: int = 4,
        tower: Composite | None = TOWER,
        text: Composite | None = TEXT,
        marks: bool = True,
    ):
        if chunk < 1 or epsilon < 0:
            raise UserError(f"LRP needs chunk ≥ 1 and epsilon ≥ 0, not {chunk} and {epsilon}")
        if not marks and text is None:
            raise UserError("LRP that does not follow a model's marks needs rules: set `text`")
        self.composite, self.epsilon, self.chunk = composite, epsilon, chunk
        self.tower, self.text, self.marks = tower, text, marks

    def attribute(self, model: Explainable, batch: Pictured | Tensor, targets: Targets) -> Explanation:
        """Explains the words of one caption per image, as `Method.attribute` says.

        Raises:
            UserError: captions do not match the images, LRP does not apply to captioner or encoder, relevance is not
                finite (with the layer's name), or memory does not suffice for one word at a time.
        """
        device = model.embedding.weight.device
        with explaining(model, device):
            trace = self._forward(model, batch, targets.to(device))
            words, regions, pixels = _backward(trace, self.chunk)
            image = regions if pixels is None else pixels.flatten(2)
            residual = trace.scores.detach() - words.sum(2) - image.flatten(2).sum(2)
            if not residual.isfinite().all():
                where = _culprit(model, trace)
                raise UserError(f"relevance is not finite from {where} on: check the weights, or raise ε")
        return Explanation(pixels, regions, words, residual)

    def _forward(self, model: Explainable, batch: Pictured | Tensor, targets: Targets) -> Trace:
        images, regions, mask, layers = self.encode(model, batch)
        if len(regions) != len(targets.tokens):
            raise UserError(
                f"there are {len(regions)} images and {len(targets.tokens)} captions: give one caption to each"
            )
        with self.behind(model) as rules:
            features = model.project(regions, mask)
            embedded = model.embed(targets.inputs()).detach().requires_grad_()
            outputs = model.read(embedded[:, : targets.context_length], features).output[:, targets.places]
            scores = targets.scores(model.head(outputs))
        if rules is None:
            check_products(outputs, [embedded, regions])
        # the vocabulary layer sees each word by itself, so one pass gives the seeds of all
        (seeds,) = torch.autograd.grad(scores.sum(), outputs, retain_graph=True)
        ruled = [*layers, *([] if rules is None else rules.layers)]
        return Trace(outputs, seeds, scores, embedded, regions, mask, images, ruled)

    @contextmanager
    def behind(self, model: Explainable) -> Iterator[Rules | None]:
        """Sets to work what the part of a model behind its encoder follows: its marks (None), or rules.

        Raises:
            UserError: the model has no marks, and there are no rules for it.
        """
        if model.marked and self.marks:
            with lrp(self.epsilon):
                yield None
        else:
            with _required(self.text, model).applied_behind(model) as rules:
                yield rules

    def encode(
        self, model: Explainable, batch: Pictured | Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor | None, list[Layer]]:
        """Runs the encoder under the rules, where the batch holds images.

        Returns:
            Images as a leaf, or None; regions as a node of their graph, or as a leaf; the mask of the regions, or None;
            the encoder's layers that follow rules, first to last.

        Raises:
            UserError: the encoder has no layer that a rule acts on, or is a transformer, and there are no rules for it.
        """
        weight = model.embedding.weight
        images = batch if isinstance(batch, Tensor) else batch.images
        if images is not None:
            images = images.to(weight, copy=True).requires_grad_()
            composite = _required(self.tower, model) if model.encoder.attends else self.composite
            with composite.applied(model.encoder) as rules:
                regions, mask = model.encoder(images)
            if not rules.layers:
                raise DoesNotApplyError(
                    f"no rule acts on {type(model.encoder).__name__}: it has no convolution or linear layer"
                )
            return images, regions, mask, rules.layers
        assert not isinstance(batch, Tensor) and batch.regions is not None, "a batch holds images or regions"
        mask = None if batch.mask is None else batch.mask.to(weight.device, copy=True)
        return None, batch.regions.to(weight, copy=True).requires_grad_(), mask, []


def _required(rules: Composite | None, model: Explainable) -> Composite:
    """Gives the rules back. Raises UserError where there are none."""
    if rules is None:
        raise DoesNotApplyError(
            f"these rules know no {type(model).__name__}: choose attribution=lrp, lrp_cp or lrp_attn"
        )
    return rules


def _backward(trace: Trace, chunk: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gives relevance of words (B, T, S), regions (B, T, R) and pixels (B, T, C, H, W), `chunk` words at a time."""
    number = trace.outputs.shape[1]
    words, regions, *pixels = in_chunks(number, chunk, lambda chosen: _relevance(trace, chosen))
    return words.transpose(0, 1), regions.transpose(0, 1), pixels[0].transpose(0, 1) if pixels else None


def _relevance(trace: Trace, chosen: slice) -> tuple[Tensor, ...]:
    """Gives the same for n chosen words by one batched backward: (n, B, S), (n, B, R), (n, B, C, H, W)."""
    alone = torch.eye(trace.seeds.shape[1]).to(trace.seeds)[chosen]  # (n, T)
    leaves = [trace.embedded, trace.regions, *([] if trace.images is None else [trace.images])]
    seeds = alone[:, None, :, None] * trace.seeds
    words, regions, *pixels = batched_gradient(trace.outputs, leaves, seeds)
    return (words * trace.embedded.detach()).sum(-1), (regions * trace.regions.detach()).sum(-1), *pixels


def _culprit(model: Explainable, trace: Trace) -> str:
    """Names the layer in which the first number came up that is not finite: in the forward, or in the backward."""
    forward = [layer.name for layer in trace.layers if not layer.y.isfinite().all()]
    backward = [layer.name for layer in reversed(trace.layers) if not layer.finite]
    if not forward and not trace.scores.isfinite().all():
        return non_finite_decoder_layer(model, trace.embedded.detach(), trace.regions.detach(), trace.mask)
    return (forward or backward or ["the captioner"])[0]
