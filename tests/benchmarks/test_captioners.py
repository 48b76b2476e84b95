"""The captioners that benchmarks measure take steps as captioners do, and their heads give some logits alone."""

import pytest
import torch

from tests.benchmarks.decoding import D, R, UpDown, V
from tests.benchmarks.objectives import COCOLengths
from whysaid.data.vocabulary import END, START


@torch.no_grad()
@pytest.mark.parametrize("kind", [UpDown, COCOLengths])
def test_a_step_and_some_of_its_logits(kind: type[UpDown]) -> None:
    torch.manual_seed(0)
    captioner, words = kind().eval(), torch.tensor([END, 9, 17])
    features = captioner.project(torch.randn(2, R, D).relu())
    state, tokens = captioner.start(features), torch.full((2,), START)
    every, some = captioner.step(tokens, state, features), captioner.step(tokens, state, features, words)
    assert every.logits.shape == (2, V)
    torch.testing.assert_close(some.logits, every.logits[:, words])
