"""A transformer decoder with cross-attention over the encoder's regions (Vaswani et al. 2017), normalised first.

B batch, N rows, image-major, T words, P words read before, R regions, D encoder features, E width of a word and of
every layer, A width of the queries and keys of all heads together, H width of the feed-forward layers, L layers.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from whysaid.errors import UserError
from whysaid.models.attention import masked_mean
from whysaid.models.attention_places import AttentionPlaces, of_cross_attention
from whysaid.models.captioner import CellOutput, State, repeat, rows
from whysaid.models.dropout import Dropout
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Reading
from whysaid.models.multihead import LayerNorm, MultiHead
from whysaid.models.relevance import share
from whysaid.models.word_captioner import Features, WordCaptioner


class Memory(NamedTuple):
    """What one layer attends to: keys (·, ·, A), values (·, ·, E), and where they may be looked at, or None."""

    keys: Tensor
    values: Tensor
    mask: Tensor | None = None


class LayerOutput(NamedTuple):
    """words (N, T, E); context (N, T, E), what the image added; attention (N, T, R); memory, the words' own."""

    words: Tensor
    context: Tensor
    attention: Tensor
    memory: Memory


class DecoderLayer(nn.Module):
    """x + attention to words; + attention to regions; + W₂ ReLU(W₁ x): each of a LayerNorm of what came before."""

    def __init__(self, embed_dim: int, hidden_dim: int, attention_dim: int, heads: int, dropout: float):
        super().__init__()
        self.words = MultiHead(embed_dim, attention_dim, heads, dropout)
        self.image = MultiHead(embed_dim, attention_dim, heads, dropout)
        self.words_norm, self.image_norm, self.hidden_norm = (LayerNorm(embed_dim) for _ in range(3))
        self.words_output, self.image_output = (nn.Linear(embed_dim, embed_dim) for _ in range(2))
        self.widen, self.narrow = nn.Linear(embed_dim, hidden_dim), nn.Linear(hidden_dim, embed_dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, before: Memory, image: Memory) -> LayerOutput:
        """Words x (N, T, E); the P words before them; the regions' memory, of B images."""
        normed = self.words_norm(x)
        keys = torch.cat([before.keys, self.words.key(normed)], 1)
        values = torch.cat([before.values, share(self.words.value(normed))], 1)
        summed, _ = self.words(self.words.query(normed), keys, values, before.mask)
        x = share(x + self.dropout(share(self.words_output(summed))))
        images = len(image.keys)
        query = self.image.query(self.image_norm(x)).view(images, -1, image.keys.shape[2])
        summed, attention = self.image(query, image.keys, image.values, image.mask)
        context = self.dropout(share(self.image_output(summed))).view_as(x)
        x = share(x + context)
        hidden = torch.relu(share(self.widen(self.hidden_norm(x))))
        x = share(x + self.dropout(share(self.narrow(hidden))))
        return LayerOutput(x, context, attention.reshape(*x.shape[:2], -1), Memory(keys, values))


class Transformer(WordCaptioner):
    """x = e(w) √E + position + W_b mean a_i, through L layers; logits = W LayerNorm(x), W the embedding's own weights.

    The state is the cache: keys (N, P, A) and values (N, P, E) of the words read so far, layer by layer. Attention is
    the mean over all heads of all layers.

    Args:
        embed_dim: E.
        hidden_dim: H.
        attention_dim: A.
        layers: L.
        heads: dividing E and A.
        dropout: probability on words, on what each sublayer adds, on attention weights and before the vocabulary layer.
        max_length: most words that can be read, `<start>` included: each place has a vector of its own.
    """

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        embed_dim: int = 512,
        hidden_dim: int = 2048,
        attention_dim: int = 512,
        layers: int = 3,
        heads: int = 8,
        dropout: float = 0.1,
        max_length: int = 64,
    ):
        super().__init__(encoder, vocab_size, embed_dim, embed_dim, dropout)
        self.vocabulary_layer.weight = self.embedding.weight
        self.positions = nn.Embedding(max_length, embed_dim)
        self.project_region = nn.Linear(encoder.dim, embed_dim)
        self.project_global = nn.Linear(encoder.dim, embed_dim)
        self.region_norm, self.output_norm = LayerNorm(embed_dim), LayerNorm(embed_dim)
        self.words_dropout = Dropout(dropout)
        stack = [DecoderLayer(embed_dim, hidden_dim, attention_dim, heads, dropout) for _ in range(layers)]
        self.layers = cast(Sequence[DecoderLayer], nn.ModuleList(stack))
        nn.init.normal_(self.positions.weight, std=0.1)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Features:
        """Keys and values of every layer, side by side; `pooled` is W_b mean a_i."""
        memory = self.region_norm(share(self.project_region(regions)))
        keys = torch.cat([layer.image.key(memory) for layer in self.layers], -1)
        values = torch.cat([share(layer.image.value(memory)) for layer in self.layers], -1)
        return Features(values, keys, share(self.project_global(share(masked_mean(regions, mask)))), mask)

    def start(self, features: Features) -> State:
        number, layers = len(features), len(self.layers)
        empty = (x.new_zeros(number, 0, x.shape[2] // layers) for x in (features.keys, features.values))
        return (*empty,) * layers

    def embed(self, tokens: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(tokens) * self.embedding.embedding_dim**0.5
        return embedded

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        reading, state = self._pass(word.unsqueeze(1), state, features)
        parts = tuple(part[:, 0] for part in reading.parts)
        return CellOutput(reading.output[:, 0], reading.attention[:, 0], None, state, parts)

    def read(self, embedded: Tensor, features: Features, sampling: float = 0.0) -> Reading:
        """All words in one pass; word by word only where scheduled sampling may replace them."""
        if sampling > 0:
            return super().read(embedded, features, sampling)
        state = repeat(self.start(features), len(embedded) // len(features))
        return self._pass(embedded, state, features)[0]

    def attention_places(self, number: int, regions: int, words: int) -> list[AttentionPlaces]:
        return of_cross_attention(number, regions, words)

    def _pass(self, words: Tensor, state: State, features: Features) -> tuple[Reading, State]:
        """Reads words (N, T, E) behind the P of the state."""
        before, number, layers = state[0].shape[1], words.shape[1], len(self.layers)
        places = torch.arange(before + number, device=words.device)
        places, earlier = places[before:], places <= places[before:, None]
        x = share(words + self._place(places) + rows(features.pooled, words).unsqueeze(1))
        x = self.words_dropout(x)
        images = zip(features.keys.chunk(layers, 2), features.values.chunk(layers, 2), strict=True)
        outputs: list[LayerOutput] = []
        for layer, keys, values, image in zip(self.layers, state[::2], state[1::2], images, strict=True):
            outputs.append(layer(x, Memory(keys, values, earlier[None]), Memory(*image, features.mask)))
            x = outputs[-1].words
        output = self.output_norm(x)
        context = self.output_norm.part(torch.stack([output.context for output in outputs]).sum(0), x)
        attention = torch.stack([output.attention for output in outputs]).mean(0)
        state = tuple(part for output in outputs for part in (output.memory.keys, output.memory.values))
        return Reading(output, attention, None, (context, output - context)), state

    def _place(self, places: Tensor) -> Tensor:
        """Vectors of places in the caption. Raises UserError where there are none."""
        if int(places[-1]) >= self.positions.num_embeddings:
            raise UserError(
                f"this captioner reads {self.positions.num_embeddings} words, <start> included, and was given "
                f"{int(places[-1]) + 1}: train it with a larger model.max_length"
            )
        placed: Tensor = self.positions(places)
        return placed
