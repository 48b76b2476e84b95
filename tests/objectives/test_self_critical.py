"""Training on rewards: estimates against exact expectations, baselines against loops."""

from functools import partial
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tests.attribution.tiny import CAPTIONERS, captioner
from tests.objectives.tiny import VOCABULARY, data, with_regions
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import END, PAD, START
from whysaid.decoding.decoder import Decoded
from whysaid.errors import UserError
from whysaid.models.adaptive import Adaptive
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.gridtd import GridTD
from whysaid.objectives.bleu import BLEU4
from whysaid.objectives.cider_d import CIDErD
from whysaid.objectives.content_words import content_words
from whysaid.objectives.context_relevance import ContextRelevance
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.draws import draw
from whysaid.objectives.rewards import Rewarded
from whysaid.objectives.self_critical import SelfCritical, dropping, leave_one_out

REWARDS = {"CIDEr-D": {"weight": 1.0, "score": CIDErD()}}


def objective(**settings: Any) -> SelfCritical:
    made = SelfCritical(REWARDS, **{"max_length": 6, **settings})  # type: ignore[arg-type]
    made.prepare(captioner("gridtd"), data())
    return made


def gradients(model: nn.Module, loss: Tensor) -> list[Tensor]:
    of_parameters = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(model.parameters(), of_parameters, strict=True)]


def test_leave_one_out_is_a_loop() -> None:
    rewards = np.random.default_rng(0).random((3, 5))
    expected = [[np.mean([row[j] for j in range(5) if j != i]) for i in range(5)] for row in rewards]
    assert np.allclose(leave_one_out(rewards), expected, rtol=0, atol=1e-14)


class Table:
    """Rewards by caption, in place of metrics."""

    VALUE: ClassVar = {(END,): 0.3, (3, END): 2.0, (3, 3): -1.0, (3, 4): 0.5, (4, END): 1.0, (4, 3): 0.1, (4, 4): 4.0}

    def __call__(self, ids: Tensor, tokens: Tensor) -> Rewarded:
        rows = [tuple(word for word in row if word != PAD) for row in tokens.flatten(0, 1).tolist()]
        return Rewarded(np.array([self.VALUE[row] for row in rows]).reshape(tokens.shape[:2]), {})

    def statistics(self, tokens: Tensor) -> dict[str, Tensor]:
        return {}


def three_words() -> tuple[Captioner, CaptionBatch]:
    """One image; a caption is one or two of `<end>` (which closes it), `<unk>` and one word."""
    torch.manual_seed(0)
    model = Adaptive(RegionFeatures(3), 5, 3, 4, 3, dropout=0.5).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    batch = CaptionBatch(torch.tensor([1]), torch.tensor([[[START, END]]]), regions=torch.rand(1, 2, 3).double())
    return model, batch


def probability(model: Captioner, batch: CaptionBatch, words: tuple[int, ...], temperature: float = 1.0) -> Tensor:
    """Of a caption, step by step, `<pad>` and `<start>` being impossible."""
    features = model.features(batch)
    state, said, product_ = model.start(features), START, torch.ones((), dtype=torch.float64)
    for word in words:
        step = model.step(torch.tensor([said]), state, features)
        state, said = step.state, word
        product_ = product_ * (step.logits[0, 2:] / temperature).softmax(0)[word - 2]
    return product_


@pytest.mark.parametrize(("baseline", "temperature"), [("greedy", 1.0), ("leave_one_out", 1.0), ("leave_one_out", 0.5)])
def test_the_expected_gradient_is_that_of_the_expected_reward(
    baseline: str, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = three_words()
    number = 1 if baseline == "greedy" else 2
    reinforce = objective(baseline=baseline, samples=number, max_length=2, temperature=temperature)
    reinforce.rewards = Table()  # type: ignore[assignment]
    with dropping(model, False):
        chances = {words: probability(model, batch, words, temperature) for words in Table.VALUE}
        assert sum(chances.values()).item() == pytest.approx(1, abs=1e-12)
        expected = sum(chance * Table.VALUE[words] for words, chance in chances.items())
        exact = gradients(model, -expected / 2)
    total = [torch.zeros_like(p) for p in model.parameters()]
    for drawn in product(chances, repeat=number):
        monkeypatch.setattr(reinforce, "sampler", Given([(*words, END)[:2] for words in drawn]))
        loss, _ = reinforce(model, batch, 0)
        chance = float(np.prod([chances[words].item() for words in drawn]))
        total = [t + chance * g for t, g in zip(total, gradients(model, loss), strict=True)]
    assert max(g.abs().max().item() for g in exact) > 1e-2
    for estimate, truth in zip(total, exact, strict=True):
        torch.testing.assert_close(estimate, truth, rtol=0, atol=1e-12)


class Given:
    """A sampler that draws the words it is given."""

    max_length = 2

    def __init__(self, captions: list[tuple[int, ...]]):
        self.samples, self.next = len(captions), iter(torch.tensor(captions).T)

    def draw(self, logits: Tensor) -> Tensor:
        return next(self.next)


@pytest.mark.parametrize("name", ["soft", "adaptive", "gridtd", "aoa", "transformer"])
@pytest.mark.parametrize("relevance", [None, ContextRelevance()], ids=["p", "p_hat"])
def test_what_is_reinforced_is_what_was_sampled(name: str, relevance: ContextRelevance | None) -> None:
    """Read again under teacher forcing, a drawn caption has the probability, and the gradient, it was drawn with."""
    model, batch = captioner(name), with_regions()
    with torch.no_grad():
        model.vocabulary_layer.bias[END] += 1  # captions end at many lengths, and images leave the batch
    reinforce = objective(relevance=relevance, samples=3, max_length=12, temperature=0.8)
    with dropping(model, False):
        features = model.features(batch)
        head = partial(reinforce._logits, model)
        drawn = draw(model, features, head, reinforce.sampler)
        said = drawn.tokens.flatten(0, 1)
        reading = model.read(model.embed(pad(said[:, :-1], (1, 0), value=START)), features)
        log_p = head(reading.output, reading.parts)[..., 2:].log_softmax(-1)
        own = log_p.gather(2, (said - 2).clamp(min=0)[..., None])[..., 0].masked_fill(said == PAD, 0)
    expected = own.sum(-1).view_as(drawn.log_probs)
    torch.testing.assert_close(drawn.log_probs, expected, rtol=0, atol=1e-12)
    weights = torch.randn_like(expected)
    again = gradients(model, (expected * weights).sum())
    for ours, theirs in zip(gradients(model, (drawn.log_probs * weights).sum()), again, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)
    lengths = (said != PAD).sum(1)
    assert model.training and len(lengths.unique()) > 1
    ended = (said == END).any(1)
    assert (said[ended, lengths[ended] - 1] == END).all() and ((lengths == 12) | ended).all()


def test_samples_follow_their_distribution() -> None:
    model, batch = three_words()
    with dropping(model, False):
        chances = {words: probability(model, batch, words).item() for words in Table.VALUE}
        torch.manual_seed(0)
        reinforce = objective(samples=4000, max_length=2)
        drawn = draw(model, model.features(batch), partial(reinforce._logits, model), reinforce.sampler)
    rows = [tuple(word for word in row if word != PAD) for row in drawn.tokens[0].tolist()]
    for words, chance in chances.items():
        assert rows.count(words) / 4000 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 4000) ** 0.5 + 1e-9)


def test_p_hat_is_sampled_and_the_baseline_is_of_p() -> None:
    model = captioner("gridtd").eval()
    nn.init.normal_(model.vocabulary_layer.weight, std=3.0)
    relevance, explained = ContextRelevance(), content_words(VOCABULARY)
    with torch.no_grad():
        reading = model.read(model.embed(torch.randint(4, 9, (2, 6))), model.features(with_regions()))
        plain = model.head(reading.output)
        changed = relevance.logits(model, reading.output, reading.parts, explained)
    content = ~torch.isin(plain.argmax(-1), torch.tensor([0, 1, 2, 3, 4, 6]))
    assert content.any() and not torch.allclose(plain[content], changed[content])
    assert torch.equal(plain[~content], changed[~content])
    asked = []
    reinforce = objective(baseline="greedy", samples=1, relevance=relevance)
    greedy = reinforce.greedy

    class Asking:
        def __call__(self, stepper: Any, features: Any) -> Decoded:
            asked.append(stepper)
            return greedy(stepper, features)

    reinforce.greedy = Asking()  # type: ignore[assignment]
    loss, _ = reinforce(model, with_regions(), 0)
    assert asked == [model] and loss.isfinite()


def test_the_loss_by_hand() -> None:
    model, batch = captioner("adaptive"), with_regions()
    reinforce = objective(baseline="leave_one_out", samples=3)
    torch.manual_seed(3)
    loss, logs = reinforce(model, batch, 0)
    torch.manual_seed(3)
    with dropping(model, False):
        features = model.features(batch)
        tokens = draw(model, features, partial(reinforce._logits, model), reinforce.sampler).tokens
        logits = model.unroll(pad(tokens.flatten(0, 1)[:, :-1], (1, 0), value=START), features).logits
    rewards = reinforce.rewards(batch.image_ids, tokens).total
    total = torch.zeros((), dtype=torch.float64)
    for b, i in product(range(2), range(3)):
        advantage = rewards[b, i] - np.mean([rewards[b, j] for j in range(3) if j != i])
        for t, word in enumerate(tokens[b, i].tolist()):
            if word != PAD:
                total = total - advantage * logits[3 * b + i, t, 2:].log_softmax(0)[word - 2]
    torch.testing.assert_close(loss, total / 6 / reinforce.sampler.max_length, rtol=0, atol=1e-12)
    assert logs["reward"] == pytest.approx(rewards.mean()) and logs["reward_CIDEr-D"] == logs["reward"]
    assert logs["reward_std"] == pytest.approx(rewards.std()) and abs(logs["baseline"] - logs["reward"]) < 1e-6
    wanted = {"loss", "advantage_std", "advantage_positive", "sample_length", "end_rate", "sample_bad_endings"}
    assert wanted <= logs.keys() and not any(value.requires_grad for value in logs.values())


def test_a_share_of_cross_entropy() -> None:
    model, batch = captioner("soft").eval(), with_regions()
    plain, _ = CrossEntropy(label_smoothing=0.1)(model, batch, 0)
    torch.manual_seed(0)
    alone, _ = objective()(model, batch, 0)
    torch.manual_seed(0)
    mixed, logs = objective(xe_share=0.2, label_smoothing=0.1)(model, batch, 0)
    torch.testing.assert_close(mixed, 0.8 * alone + 0.2 * plain)
    torch.testing.assert_close(logs["cross_entropy"], plain.detach())


@pytest.mark.parametrize("name", list(CAPTIONERS))
def test_captions_that_end_at_once_train_nothing(name: str) -> None:
    """Only `<end>` is likely: all samples are the same, empty, and none is better than the others."""
    model = captioner(name)
    with torch.no_grad():
        model.vocabulary_layer.bias[END] = 1e3
    loss, logs = objective()(model, with_regions(), 0)
    loss.backward()
    assert loss == 0 and logs["sample_length"] == 0 and logs["end_rate"] == 1
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_dropout_is_off_or_on_and_left_as_it_was() -> None:
    model, batch = captioner("aoa").train(), with_regions()
    model.attention.dropout.eval()
    modes: list[bool] = []
    model.dropout.register_forward_hook(lambda module, *_: modes.append(module.training))
    for dropout in (False, True):
        objective(dropout=dropout)(model, batch, 0)
        assert set(modes) == {dropout}
        modes.clear()
    assert model.dropout.training and not model.attention.dropout.training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 1}, "at least 2 samples"),
        ({"baseline": "mean"}, "greedy or leave_one_out"),
        ({"xe_share": 1.0}, "below 1"),
        ({"temperature": 0.0}, "above 0"),
        ({"samples": 0, "baseline": "greedy"}, "at least 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SelfCritical({"BLEU-4": {"weight": 1.0, "score": BLEU4()}}, **settings)


def test_every_weight_learns_in_mixed_precision() -> None:
    """Whatever autocast keeps of the pass that samples without gradients."""
    torch.manual_seed(0)
    model, batch = GridTD(RegionFeatures(5), 9, 8, 8, 8), with_regions()
    assert batch.regions is not None
    batch.regions = batch.regions.float()
    for relevance in (None, ContextRelevance()):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = objective(relevance=relevance)(model, batch, 0)
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())
