"""Cross-entropy against what people said."""

import math
from pathlib import Path

import pytest
import torch

from tests.data.test_vqa import FOLDERS, SMALL, VQA, QuestionData, photos
from whysaid.data.batch import QuestionBatch
from whysaid.data.features.featured import ModelInputs
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.saaa import SAAA
from whysaid.objectives.soft_answers import SoftAnswers, soft_cross_entropy


def test_each_share_weighs_its_log_probability() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 4, dtype=torch.float64)
    answers = torch.tensor([[0] * 7 + [2] * 3, [1] * 4 + [-1] * 6])
    p = logits.softmax(1)
    expected = -(0.7 * p[0, 0].log() + 0.3 * p[0, 2].log() + 0.4 * p[1, 1].log()) / 2
    torch.testing.assert_close(soft_cross_entropy(logits, answers).double(), expected, rtol=1e-6, atol=0)


def batch() -> QuestionBatch:
    ids = torch.tensor([[1, 2], [3, -1]])
    answers = torch.where(ids.unsqueeze(2) >= 0, torch.tensor([0, 0, 1]), -1)
    questions = torch.where(ids.unsqueeze(2) >= 0, torch.tensor([4, 5]), 0)
    return QuestionBatch(torch.arange(2), ids, questions, answers, regions=torch.rand(2, 3, 5))


def test_places_without_a_question_count_for_nothing() -> None:
    torch.manual_seed(0)
    model, whole = SAAA(RegionFeatures(5), 6, 4, 4, 4, 4, 4).eval(), batch()
    loss, logs = SoftAnswers()(model, whole, 0)
    whole.questions[1, 1] = 5
    again, _ = SoftAnswers()(model, whole, 0)
    assert loss == again and logs["loss"] == loss and 0 <= logs["accuracy"] <= 1
    uniform = torch.zeros(3, 4)
    assert math.isclose(float(soft_cross_entropy(uniform, whole.answers.flatten(0, 1)[:3])), math.log(4), rel_tol=1e-6)


@photos
def test_real_questions_can_be_learned_by_heart(tmp_path: Path) -> None:
    """58 questions about photos whose regions are random numbers."""
    source = VQA(str(SMALL), "vqa", FOLDERS, "{id:012d}.jpg", version=2, val=1)
    data = QuestionData(
        "small", str(SMALL), source, str(tmp_path), questions_per_image=2, batch_size=9, eval_batch_size=9
    )
    torch.manual_seed(0)
    images = data.images("train")
    features = {image.id: torch.rand(4, 8) for image in images}
    model = SAAA(RegionFeatures(8), len(data.vocabulary), len(data.answers), 16, 48, 16, 48, dropout=0.0)
    dataset = data.for_model(ModelInputs(model.encoder.preprocessing)).dataset("train")
    whole = dataset.text_batch([type("Key", (), {"index": i})() for i in range(len(dataset))])
    whole.regions = torch.stack([features[int(i)] for i in whole.image_ids])
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for step in range(60):
        loss, logs = SoftAnswers()(model, whole, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    counts = [[row[row >= 0].tolist().count(a) / 10 for a in set(row.tolist()) - {-1}] for row in _real(whole)]
    entropy = sum(-p * math.log(p) for row in counts for p in row) / len(counts)
    assert losses[0] > 3 and losses[-1] < entropy + 0.35  # no model can be below the people's own entropy
    assert float(logs["accuracy"]) == pytest.approx(sum(max(row, default=0) for row in counts) / len(counts), abs=0.05)


def _real(whole: QuestionBatch) -> torch.Tensor:
    return whole.answers.flatten(0, 1)[whole.question_ids.flatten() >= 0]
