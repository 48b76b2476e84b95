"""What all captioners made of a model of transformers have in common: the vocabulary, and the prompt.

B images, N rows, S words read, V vocabulary, E embedding, H width of an output, R regions, D encoder features.
"""

import copy
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import PAD, START
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Reading
from whysaid.models.transformers.caches import Layers
from whysaid.models.transformers.own_tokens import Tokens
from whysaid.models.transformers.processing import ProcessorPreprocessing
from whysaid.models.transformers.recompute import recomputing
from whysaid.models.transformers.special_tokens import writing_tokens

UNSAID = -1e4
"""Logit of an index that stands for a token which another index owns: its probability is 0."""


@dataclass
class ImageFeatures:
    """All that depends on the image alone.

    Attributes:
        regions: (B, R, D).
        shared: keys and values (B, h, P, d) of each layer that all captions of an image share; `start` fills them in.
    """

    regions: Tensor
    shared: Layers | None = None

    def __len__(self) -> int:
        return len(self.regions)


class VocabularyRows(NamedTuple):
    """weight (V, H) and bias (V,) of a vocabulary layer."""

    weight: Tensor
    bias: Tensor


class PretrainedCaptioner(Captioner):
    """A captioner made of a model of transformers, which stays whole: `pretrained` is the same weights.

    Args:
        pretrained: the model, whose parts the captioner runs.
        encoder: its vision part.
        decoder: its language part.
        vocabulary: its tokens under this project's indices.

    Attributes:
        options: what it may be asked for beside the photo.
        photos: the kind of its preprocessing.
        longest: tokens that it reads at most, or None.
        recomputed: whether the decoder computes the activations of whole captions once more for the backward.
        prompt: (1, P), or (B, P) where each image has its own, int64 indices that are read before `<start>`; shorter
            ones are filled with `<pad>`.
    """

    marked = False
    masks_regions = False
    options: ClassVar[tuple[str, ...]] = ("caption", "prompt")
    photos: ClassVar[type[ProcessorPreprocessing]] = ProcessorPreprocessing
    longest: int | None = None
    recomputed: bool = False
    prompt: Tensor
    token_ids: Tensor
    penalty: Tensor

    def __init__(self, pretrained: nn.Module, encoder: Encoder, decoder: nn.Module, vocabulary: Tokens):
        super().__init__()
        self.encoder = encoder
        self.decoder: Any = decoder
        self._pretrained = (pretrained,)  # in a tuple, so that its parts are no submodules twice
        penalty = torch.zeros(len(vocabulary))
        penalty[list(vocabulary.duplicates)] = UNSAID
        self.register_buffer("token_ids", torch.tensor(vocabulary.ids), persistent=False)
        self.register_buffer("penalty", penalty, persistent=False)
        self.register_buffer("prompt", torch.zeros(1, 0, dtype=torch.int64), persistent=False)

    @property
    def last_layer(self) -> nn.Linear:
        """The linear map that gives `scores`. Raises UserError where there is more behind the outputs."""
        raise UserError(
            f"the outputs of a {type(self).__name__} are not what one linear map reads: choose another objective than "
            "lrp_context or lrp_scst"
        )

    @property
    def vocabulary_layer(self) -> VocabularyRows:  # type: ignore[override]
        """The rows of this project's indices."""
        layer, ids = self.last_layer, self.token_ids
        bias = self.penalty if layer.bias is None else layer.bias[ids] + self.penalty
        return VocabularyRows(layer.weight[ids], bias)

    @staticmethod
    def vocabulary_of(pretrained: Any, tokenizer: Any) -> PieceVocabulary:
        """The vocabulary of a model of transformers that writes."""
        size = pretrained.config.get_text_config(decoder=True).vocab_size
        return PieceVocabulary(tokenizer, size, writing_tokens(pretrained, tokenizer))

    @staticmethod
    def labels_of(config: Any) -> tuple[str, ...]:
        """No answers are given: all are written."""
        return ()

    @property
    def pretrained(self) -> Any:
        """The model of transformers."""
        return self._pretrained[0]

    @property
    def embedding(self) -> nn.Embedding:  # type: ignore[override]
        """Of the model's own tokens."""
        embedding: nn.Embedding = self.decoder.get_input_embeddings()  # type: ignore[operator]
        return embedding

    def with_prompt(self, prompt: Tensor) -> Self:
        """The same captioner, weights included, reading a prompt (1 or B, P) int64 before every caption."""
        return self._with_buffers(prompt=prompt)

    def begun_with(self, text: Tensor) -> Self:
        """The same captioner, whose captions go on from a text (P + 1,) int64: its last token stands for `<start>`."""
        token_ids, penalty = self.token_ids.clone(), self.penalty.clone()
        token_ids[START] = self.token_ids[text[-1]]
        if self.token_ids[START] == self.token_ids[-1]:  # it goes on from no text yet
            penalty[-1] = self.penalty[START]  # the model's own start is the last index now
        penalty[START] = UNSAID
        return self._with_buffers(prompt=text[None, :-1], token_ids=token_ids, penalty=penalty)

    def _with_buffers(self, **buffers: Tensor) -> Self:
        changed = copy.copy(self)
        moved = {name: buffer.to(self.token_ids.device) for name, buffer in buffers.items()}
        changed._buffers = {**self._buffers, **moved}
        return changed

    def asked(self, vocabulary: PieceVocabulary, prompt: str | None = None) -> Self:
        """The same captioner, told to go on from a prompt; without one, as it is."""
        if not prompt:
            return self
        return self.begun_with(torch.tensor([vocabulary.begin, *vocabulary.pieces(prompt)]))

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (…) int64 → embedded words (…, E); `<pad>` is 0."""
        return self.embedding(self.token_ids[tokens]) * (tokens != PAD).unsqueeze(-1)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> ImageFeatures:
        return ImageFeatures(regions)

    def read_of_image(self, features: Any) -> int:
        """Number of the tokens that count among the `longest` and are the image's."""
        return 0

    def scores(self, output: Tensor) -> Tensor:
        """Outputs (…, H) → logits (…, V) of the model's own tokens."""
        raise NotImplementedError

    def head(self, output: Tensor) -> Tensor:
        return self.scores(output)[..., self.token_ids] + self.penalty

    def before_words(self, number: int) -> Tensor:
        """What is read before the first word is said, (number, P + 1) int64: the prompt and `<start>`."""
        return pad(self.prompt.expand(number, -1), (0, 1), value=START)

    def read(self, embedded: Tensor, features: ImageFeatures, sampling: float = 0.0) -> Reading:
        if sampling > 0:
            raise UserError("scheduled sampling is for captioners with an LSTM, which read word by word: set it to 0")
        with recomputing(self.decoder) if self.recomputed else nullcontext():
            return self.read_all(embedded.clone(), features)  # some models add positions in place

    def read_all(self, embedded: Tensor, features: ImageFeatures) -> Reading:
        """Reads embedded words (N, S, E) at once."""
        raise NotImplementedError
