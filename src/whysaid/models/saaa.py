"""Show, Ask, Attend, and Answer (Kazemi & Elqursh 2017): a CNN, an LSTM and two glimpses.

B images, K questions per image, N = B·K questions, image-major, S words, R regions, D encoder features, E embedding,
H width of the LSTM, A attention width, G glimpses, C width of the classifier, V answers.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from whysaid.data.vocabulary import PAD, UNK
from whysaid.models.attention import weighted_sum
from whysaid.models.dropout import Dropout
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Reading, VQAModel
from whysaid.models.lstm import LSTM
from whysaid.models.relevance import gate, share, tanh


@dataclass
class Sight:
    """All that depends on the image alone.

    values: (B, R, D) the encoder's. scale: (B, R) 1 / their length: values are L2-normalised where they are used, which
    spares a copy. keys: (B, R, A) of the normalised values. mask: (B, R) True where a region is real, or None.
    """

    values: Tensor
    scale: Tensor
    keys: Tensor
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)


class Look(NamedTuple):
    """Where a question looks: glimpses (N, G, R), each of which sums to 1 over real regions; question (N, H)."""

    glimpses: Tensor
    question: Tensor


class SAAA(VQAModel):
    """softmax(W₂ ReLU(W₁ [glimpses; q])) over answers, q the cell state of an LSTM over the question.

    The vectors of `<pad>` and `<unk>` are, and stay, 0.

    glimpse_g = Σ_i α_gi v_i / |v_i|, α_g = softmax_i(w_g·ReLU(W_v v_i / |v_i| + W_q q)).

    Args:
        encoder: pixels to regions.
        vocab_size: words that a question may hold.
        answers: V.
        embed_dim: E.
        hidden_dim: H.
        attention_dim: A.
        classifier_dim: C.
        glimpses: G.
        dropout: probability before each product, but those of the LSTM.
        question_only: see only zeros: what can be guessed without looking.
    """

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        answers: int,
        embed_dim: int = 300,
        hidden_dim: int = 1024,
        attention_dim: int = 512,
        classifier_dim: int = 1024,
        glimpses: int = 2,
        dropout: float = 0.5,
        question_only: bool = False,
    ):
        super().__init__()
        self.encoder = encoder
        self.embedding = nn.Embedding(vocab_size, embed_dim, padding_idx=PAD)
        nn.init.zeros_(self.embedding.weight.data[UNK])
        self.dropout = Dropout(dropout)
        self.lstm = LSTM((embed_dim,), hidden_dim)
        self.key = nn.Linear(encoder.dim, attention_dim, bias=False)
        self.query = nn.Linear(hidden_dim, attention_dim)
        self.score = nn.Linear(attention_dim, glimpses)
        self.hidden_layer = nn.Linear(glimpses * encoder.dim + hidden_dim, classifier_dim)
        self.answer_layer = nn.Linear(classifier_dim, answers)
        self.question_only = question_only
        for layer in (self.key, self.query, self.score, self.hidden_layer, self.answer_layer):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Sight:
        """Encoder regions (B, R, D) and mask (B, R) → Sight."""
        values = regions * 0 if self.question_only else regions
        scale = gate(1 / (values.norm(dim=2) + 1e-8))
        return Sight(values, scale, self.key(self.dropout(values)) * scale.unsqueeze(2), mask)

    def look(self, embedded: Tensor, sight: Sight) -> Look:
        """Embedded questions (N, S, E) of B images → Look. Zero vectors are not read: they are `<pad>` or `<unk>`."""
        question = self._remember(embedded)
        images, width = len(sight), sight.keys.shape[2]
        query = self.query(self.dropout(question)).view(images, -1, 1, width)
        scores = self.score(self.dropout((sight.keys.unsqueeze(1) + query).relu_()))
        if sight.mask is not None:
            scores = scores.masked_fill(~sight.mask[:, None, :, None], float("-inf"))
        return Look(gate(scores.softmax(2)).flatten(0, 1).transpose(1, 2), question)

    def read(self, embedded: Tensor, features: Sight) -> Reading:
        """Embedded questions (N, S, E) → one output (N, 1, C); attention is the mean of the glimpses."""
        glimpses, question = self.look(embedded, features)
        times = len(question) // len(features)
        weights = glimpses * features.scale.repeat_interleave(times, 0).unsqueeze(1)
        attended = share(weighted_sum(weights.flatten(0, 1), features.values)).view(len(question), -1)
        output = torch.relu(share(self.hidden_layer(self.dropout(torch.cat([attended, question], 1)))))
        return Reading(output.unsqueeze(1), glimpses.mean(1, keepdim=True), None)

    def head(self, output: Tensor) -> Tensor:
        """Outputs (…, C) → logits of the answers (…, V)."""
        return share(self.answer_layer(self.dropout(output)))

    def _remember(self, embedded: Tensor) -> Tensor:
        """The LSTM's cell state (N, H) after the last word."""
        real = (embedded.detach() != 0).any(2, keepdim=True)
        drives = self.lstm.inputs[0](tanh(self.dropout(embedded))).unbind(1)
        hidden = cell = embedded.new_zeros(len(embedded), self.lstm.recurrent.in_features)
        for drive, word in zip(drives, real.unbind(1), strict=True):
            memory = self.lstm(drive, hidden, cell)
            hidden = torch.where(word, memory.hidden, hidden)
            cell = torch.where(word, memory.cell, cell)
        return cell
