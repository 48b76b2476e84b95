"""The attention maps of a whole transformer, and what each explained word asks of them.

N images, T explained words, n of them at once, M heads, Q queries, K keys, R regions, S words read, X = R + S tokens.
"""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from whysaid.attribution.attention_mode import AttentionMode
from whysaid.attribution.backward import batched_gradient
from whysaid.attribution.gradient.shared_pass_method import require_finite
from whysaid.attribution.gradient.shared_passes import EncoderPass, SharedPasses, explained_inputs
from whysaid.attribution.grid import on_pixels
from whysaid.attribution.method import Explanation
from whysaid.attribution.targets import Targets
from whysaid.data.batch import Pictured
from whysaid.errors import DoesNotApplyError
from whysaid.models.attention_places import AttentionPlaces, tokens
from whysaid.models.explainable import Explainable, Reading


class AttentionMap(NamedTuple):
    """The weights (N, M, Q, K) of all heads of a layer, in the graph of the scores, and the tokens they are between."""

    weights: Tensor
    places: AttentionPlaces


class AttentionRecorder(AttentionMode):
    """A context that keeps the weights (N, M, Q, K) of each attention in the order they are made: `weights`."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def weigh(self, weights: Tensor) -> Tensor:
        if weights.ndim != 4:
            return weights
        self.weights.append(weights if weights.requires_grad else weights.detach().requires_grad_())
        return self.weights[-1]


class AttentionPasses(SharedPasses):
    """Passes that keep all attention maps, those of the encoder first."""

    def encode(self) -> EncoderPass:
        with AttentionRecorder() as recorder:
            encoder_pass = super().encode()
        self._of_encoder = recorder.weights if self.model.encoder.attends_between_regions else []
        return encoder_pass

    def read(self) -> Reading:
        assert self.encoder_pass is not None  # its maps are kept by a recorder of their own
        with AttentionRecorder() as recorder:
            reading = super().read()
        self._of_decoder = recorder.weights
        return reading

    @property
    def words(self) -> int:
        """S, how many words are read."""
        return self.targets.context_length

    @property
    def outputs(self) -> list[int]:
        """The place of each explained word's token among the X."""
        return [self.regions.shape[1] + place for place in self.targets.places]

    @cached_property
    def maps(self) -> list[AttentionMap]:
        """All attention maps, first to last.

        Raises:
            UserError: the model is no transformer, or its attention is not between the tokens that it says.
        """
        assert self.reading is not None
        regions, (image, _) = self.regions.shape[1], tokens(self.regions.shape[1], self.words)
        places = [AttentionPlaces(image, image)] * len(self._of_encoder)
        places += self.model.attention_places(len(self._of_decoder), regions, self.words)
        weights = [*self._of_encoder, *self._of_decoder]
        sizes = [(len(part.queries), len(part.keys)) for part in places]
        if [part.shape[2:] for part in weights] != sizes:
            raise DoesNotApplyError(
                f"{type(self.model).__name__} attends within windows, or to tokens that are neither regions nor words: "
                "choose another attribution than one that follows attention"
            )
        device = self.regions.device
        on_device = (AttentionPlaces(part.queries.to(device), part.keys.to(device)) for part in places)
        return [AttentionMap(*pair) for pair in zip(weights, on_device, strict=True)]

    def asked(self, words: slice) -> list[Tensor]:
        """Gives E_h((∇A ⊙ A)⁺) (n, N, Q, K) of each map for n explained words (Chefer et al. 2021, Eq. 5)."""
        outputs, scores = self._scored
        (seeds,) = torch.autograd.grad(scores.sum(), outputs, retain_graph=True)
        alone = torch.eye(scores.shape[1]).to(seeds)[words, None, :, None]
        number, weights = len(self._of_encoder), [part.weights for part in self.maps]
        of_regions, *gradients = batched_gradient(outputs, [self._leaves[1], *weights[number:]], alone * seeds)
        if number:
            gradients = [*batched_gradient(self.encoder_pass.regions, weights[:number], of_regions), *gradients]
        pairs = zip(gradients, weights, strict=True)
        return [(gradient * weight.detach()).clamp(min=0).mean(2).to(scores.dtype) for gradient, weight in pairs]

    def tokens_explained(self, relevance: Tensor) -> Explanation:
        """Makes the explanation of relevance (N, T, X) of the tokens that were read; the others have none."""
        regions, words = relevance.split([self.regions.shape[1], self.words], 2)
        words = torch.nn.functional.pad(words, (0, self.inputs.embedded.shape[1] - self.words))
        return Explanation(on_pixels(regions, self), regions, words, self.zero_residual)


class AttentionMethod(ABC):
    """A method that follows the attention of a transformer; its maps never speak against a word.

    Args:
        chunk: words explained at once, which caps the memory.
    """

    signed = False

    def __init__(self, chunk: int = 4):
        self.chunk = chunk

    @abstractmethod
    def relevance(self, passes: AttentionPasses) -> Tensor:
        """Gives the relevance (N, T, X) of all tokens, outside of any graph."""

    def attribute(self, model: Explainable, batch: Pictured | Tensor, targets: Targets) -> Explanation:
        """Explains the words of one caption per image, as `Method.attribute` says."""
        with explained_inputs(model, batch, targets, self.chunk) as (inputs, targets):
            passes = AttentionPasses(model, inputs, targets, self.chunk)
            return require_finite(passes.tokens_explained(self.relevance(passes)), passes)
