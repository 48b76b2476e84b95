"""How far apart two sentences are in meaning, by the word vectors of a BERT.

N sentences, L tokens, D width of the encoder.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from whysaid.errors import UserError


class _Loaded(NamedTuple):
    tokenizer: Any
    encoder: Any


class SentenceEmbedder:
    """Sentences as vectors: the mean of their tokens' last hidden states, as sentence-transformers' MiniLM has it.

    The encoder is read when the first sentence comes, and stays on the CPU: captions are short.

    Args:
        model: folder or `transformers` name of any BERT.
        batch_size: sentences per pass.
    """

    def __init__(self, model: Path | str, batch_size: int = 64):
        self.model, self.batch_size = str(model), batch_size
        self._loaded: _Loaded | None = None

    @torch.no_grad()
    def __call__(self, sentences: Sequence[str]) -> Tensor:
        """(N, D) float32 of length 1. Raises UserError where the encoder cannot be loaded."""
        parts = [self._embedded(sentences[i : i + self.batch_size]) for i in range(0, len(sentences), self.batch_size)]
        return torch.nn.functional.normalize(torch.cat(parts), dim=1)

    def distances(self, sentence: str, others: Sequence[str]) -> Tensor:
        """(N,) 1 − cos of a sentence and N others, in [0, 2]; 0 means the same, exactly so for the same words."""
        texts = list(dict.fromkeys([sentence, *others]))
        vectors = self(texts)
        distances = (1 - vectors @ vectors[0]).clamp(min=0)
        distances[0] = 0  # not what rounding leaves of it
        return distances[[texts.index(text) for text in others]]

    def _embedded(self, sentences: Sequence[str]) -> Tensor:
        if self._loaded is None:
            self._loaded = self._load()
        tokenizer, encoder = self._loaded
        tokens = tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
        hidden: Tensor = encoder(**tokens).last_hidden_state  # (N, L, D)
        real = tokens["attention_mask"].unsqueeze(-1).to(hidden)
        return (hidden * real).sum(1) / real.sum(1)

    def _load(self) -> _Loaded:
        try:
            with _quietly(downloaded=Path(self.model).is_dir()):
                return _Loaded(AutoTokenizer.from_pretrained(self.model), AutoModel.from_pretrained(self.model).eval())
        except (OSError, ValueError) as error:
            raise UserError(
                f"the sentence encoder {self.model} could not be loaded ({str(error).splitlines()[0]}): download it "
                "first, or use embedder=minilm"
            ) from error


@contextmanager
def _quietly(downloaded: bool) -> Iterator[None]:
    """Keeps silent about each attempt to reach a network that is not there, and shows no bar without a download."""
    hub, bar = logging.getLogger("huggingface_hub"), transformers_logging.is_progress_bar_enabled()
    level = hub.level
    hub.setLevel(logging.ERROR)
    if downloaded and bar:
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        hub.setLevel(level)
        if downloaded and bar:
            transformers_logging.enable_progress_bar()
