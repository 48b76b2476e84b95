"""CHAIR-DPO against its formula, and which samples it prefers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

from tests.attribution.tiny import captioner
from tests.objectives.test_lrp_inference import gradients
from tests.objectives.tiny import VOCABULARY, data, with_regions
from whysaid.data.object_words import ObjectWords
from whysaid.data.vocabulary import END, PAD, START
from whysaid.errors import UserError
from whysaid.metrics.hallucination import Hallucination
from whysaid.models.captioner import Captioner
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.dpo import DPO, _log_probs
from whysaid.objectives.preferred import Judge, Judged, preferred
from whysaid.objectives.self_critical import dropping

WORDS = ObjectWords({"dog": ["dog"], "cat": ["cat"], "ball": ["ball"]})
TRUTH = Hallucination(WORDS)


def stored(model: Captioner, folder: Path) -> str:
    """A checkpoint of a captioner."""
    state = {f"captioner.{name}": value for name, value in model.state_dict().items()}
    preprocessing = {"size": 8, "mean": [0.0] * 3, "std": [1.0] * 3}
    content = {"state_dict": state, "vocabulary": VOCABULARY.words, "preprocessing": preprocessing, "config": {}}
    torch.save(content, folder / "start.ckpt")
    return str(folder / "start.ckpt")


def made(folder: Path, **settings: Any) -> tuple[DPO, Captioner]:
    """The objective, and a captioner that has moved from where it started."""
    model = captioner("gridtd")
    objective = DPO(TRUTH, stored(model, folder), **settings)
    objective.prepare(model, data())
    with torch.no_grad():
        for parameter in model.vocabulary_layer.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return objective, model


def log_p(model: Captioner, image: int, words: list[int]) -> Tensor:
    """Of one caption of one image, word by word."""
    batch = with_regions().rows([image])
    logits = model.unroll(torch.tensor([[START, *words[:-1]]]), model.features(batch)).logits[0]
    return sum((logits[t].log_softmax(-1)[word] for t, word in enumerate(words)), torch.zeros((), dtype=torch.float64))


def test_the_loss_by_hand(tmp_path: Path) -> None:
    objective, model = made(tmp_path, beta=0.3)
    dog, cat, ball = (VOCABULARY.index[word] for word in ("dog", "cat", "ball"))
    drawn = torch.tensor(
        [
            [[cat, ball, END, PAD], [dog, ball, cat, END], [dog, END, PAD, PAD]],  # of dog, ball and cat: all are there
            [[dog, cat, END, PAD], [cat, ball, END, PAD], [dog, dog, END, PAD]],  # a cat and a ball; no dog
        ]
    )
    objective.sampler = lambda captioner, features: SimpleNamespace(tokens=drawn)  # type: ignore[assignment]
    loss, logs = objective(model, with_regions(), 0)
    with dropping(model, False):
        better, worse = [cat, ball, END], [dog, dog, END]  # which also lacks more of what is there
        start = captioner("gridtd").eval()
        margin = log_p(model, 1, better) - log_p(start, 1, better) - log_p(model, 1, worse) + log_p(start, 1, worse)
        expected = -logsigmoid(0.3 * margin)
        again = gradients(model, expected)
    torch.testing.assert_close(loss.double(), expected, rtol=0, atol=1e-6)
    for ours, theirs in zip(gradients(model, loss), again, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert logs["pairs"] == 0.5 and logs["sample_CHAIRs"] == pytest.approx(2 / 6)


def test_fewer_hallucinated_objects_are_preferred_only_at_no_lower_recall() -> None:
    assert preferred([Judged(1, 1, 5), Judged(0, 0, 3)]) is None
    assert preferred([Judged(1, 1, 5), Judged(1, 2, 5)]) is None
    assert preferred([Judged(2, 1, 5), Judged(1, 1, 5), Judged(0, 1, 5)]) == (2, 0)
    assert preferred([Judged(1, 1, 5), Judged(0, 1, 5), Judged(0, 2, 9)]) == (2, 0)
    assert preferred([Judged(1, 1, 8), Judged(0, 1, 2), Judged(0, 1, 7)]) == (2, 0)
    assert preferred([]) is None


def test_a_picture_without_annotation_is_not_judged() -> None:
    judge = Judge(Hallucination(WORDS, truth="instances", annotations=None), data())
    assert judge(1, [["a", "dog"]]) is None
    assert Judge(TRUTH, data())(3, [["a", "dog", "dog"], ["cat", "on", "dog"]]) == [Judged(0, 1, 3), Judged(1, 1, 3)]


def test_without_a_pair_nothing_is_learnt_but_cross_entropy(tmp_path: Path) -> None:
    objective, model = made(tmp_path, xe=0.5, samples=2)
    objective.sampler = lambda captioner, features: SimpleNamespace(tokens=torch.full((2, 2, 3), END))  # type: ignore[assignment]
    model.eval()
    loss, logs = objective(model, with_regions(), 0)
    torch.testing.assert_close(loss, 0.5 * CrossEntropy()(model, with_regions(), 0)[0])
    assert logs["pairs"] == 0 and logs["loss"] == 0


def test_the_reference_stays_where_it_was(tmp_path: Path) -> None:
    """It is the checkpoint's, whatever the captioner has become, and shares the encoder where that is frozen."""
    model = captioner("gridtd")
    start = stored(model, tmp_path)
    with torch.no_grad():
        model.embedding.weight += 1
    objective = DPO(TRUTH, start)
    model.encoder.requires_grad_(False)
    objective.prepare(model, data())
    torch.testing.assert_close(objective._reference.embedding.weight, model.embedding.weight - 1)
    assert objective._reference.encoder is model.encoder
    assert not any(p.requires_grad for p in objective._reference.parameters())
    assert all(p.requires_grad for p in model.embedding.parameters())


def test_a_step_prefers_what_it_was_taught(tmp_path: Path) -> None:
    """After a few steps on one batch, samples hallucinate less."""
    torch.manual_seed(0)
    model = captioner("adaptive").train()
    objective = DPO(TRUTH, stored(model, tmp_path), beta=0.5, samples=8, max_length=4)
    objective.prepare(model, data())
    batch = with_regions()
    batch.image_ids = torch.tensor([3, 3])
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    shares = []
    for _ in range(25):
        loss, logs = objective(model, batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shares.append(float(logs["sample_CHAIRs"]))
    assert sum(shares[-5:]) < 0.6 * sum(shares[:5])


def test_mixed_precision_is_finite(tmp_path: Path) -> None:
    objective, model = made(tmp_path, xe=0.1)
    model.float()
    objective._reference.float()
    batch = with_regions()
    assert batch.regions is not None
    batch.regions = batch.regions.float()
    nn.init.normal_(model.vocabulary_layer.weight)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = objective(model, batch, 0)
    loss.backward()
    assert loss.isfinite() and all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"samples": 1}, {"xe": -1.0}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"objective\.beta"):
        DPO(TRUTH, "any", **settings)


def test_padding_is_not_scored() -> None:
    model = captioner("soft").eval()
    tokens = torch.tensor([[[5, END], [7, END]], [[8, END], [5, END]]])
    features = model.features(with_regions())
    torch.testing.assert_close(_log_probs(model, features, tokens), _log_probs(model, features, pad(tokens, (0, 3))))
