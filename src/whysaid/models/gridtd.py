"""Grid-TD attention (Sun et al. 2020, Eq. 1–7 and Fig. 2): adaptive attention between two LSTMs.

B batch, N rows, R regions, D encoder features, H hidden, E embedding, A attention width.
"""

from torch import Tensor

from whysaid.models.adaptive import Adaptive
from whysaid.models.captioner import CellOutput, State, rows
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.lstm import LSTM
from whysaid.models.relevance import share
from whysaid.models.word_captioner import Features


class GridTD(Adaptive):
    """Top-down LSTM on [e(w); v_g; h²_{t−1}], the adaptive module, language LSTM on [ĉ; h¹]; W(dropout(ĉ + h²))."""

    def __init__(
        self,
        encoder: Encoder,
        vocab_size: int,
        embed_dim: int = 512,
        hidden_dim: int = 512,
        attention_dim: int = 512,
        dropout: float = 0.5,
    ):
        super().__init__(encoder, vocab_size, embed_dim, hidden_dim, attention_dim, dropout)
        self.lstm = LSTM((embed_dim, hidden_dim, hidden_dim), hidden_dim, sentinel=True)
        self.language = LSTM((hidden_dim, hidden_dim), hidden_dim)

    def start(self, features: Features) -> State:
        return super().start(features) * 2

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        hidden1, cell1, hidden2, cell2 = state
        drive = word + rows(features.pooled, word) + self.lstm.inputs[2](hidden2)
        hidden1, cell1, sentinel = self.lstm(drive, hidden1, cell1)
        context, attention, beta = self.attention.attend(
            hidden1, sentinel, features.values, features.keys, features.mask
        )
        drive = self.language.inputs[0](context) + self.language.inputs[1](hidden1)
        hidden2, cell2, _ = self.language(drive, hidden2, cell2)
        state = hidden1, cell1, hidden2, cell2
        return CellOutput(share(context + hidden2), attention, beta, state, (context, hidden2))
