"""Word presence before captioning."""

import pytest
import torch

from tests.models.test_captioners import Patches
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import END, PAD, START
from whysaid.models.adaptive import Adaptive
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.word_presence import WordsFirst, presence_loss


@pytest.fixture
def batch() -> CaptionBatch:
    captions = torch.tensor([[[START, 4, 5, END], [START, 4, END, PAD]], [[START, 6, 6, END], [PAD] * 4]])
    return CaptionBatch(torch.arange(2), captions, images=torch.rand(2, 3, 4, 6))


def test_presence_loss_by_hand(batch: CaptionBatch) -> None:
    scores = torch.randn(2, 7)
    p = scores.sigmoid()
    expected = -(p[0, 4].log() + p[0, 5].log() + (1 - p[0, 6]).log())
    expected -= p[1, 6].log() + (1 - p[1, 4]).log() + (1 - p[1, 5]).log()
    torch.testing.assert_close(presence_loss(scores, batch.captions), expected / 3)


def test_presence_ignores_special_tokens(batch: CaptionBatch) -> None:
    scores = torch.zeros(2, 7)
    changed = scores.clone()
    changed[:, :4] = 9.0
    assert presence_loss(scores, batch.captions) == presence_loss(changed, batch.captions)


def test_the_encoder_alone_learns_first_and_the_captioner_after(batch: CaptionBatch) -> None:
    captioner = Adaptive(Patches(), 7, embed_dim=4, hidden_dim=4, attention_dim=4)
    objective = WordsFirst(steps=3, then=CrossEntropy())
    objective.make_parameters(captioner)
    loss, logs = objective(captioner, batch, 2)
    loss.backward()
    assert set(logs) == {"word_presence"}
    assert captioner.encoder.linear.weight.grad is not None
    assert captioner.embedding.weight.grad is None
    torch.manual_seed(0)
    later, logs = objective(captioner, batch, 3)
    torch.manual_seed(0)
    plain, _ = CrossEntropy()(captioner, batch, 3)
    assert set(logs) == {"loss"}
    assert torch.equal(later, plain)
