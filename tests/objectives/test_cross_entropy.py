"""Cross-entropy against sums written out."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import END, PAD, START
from whysaid.models.adaptive import Adaptive
from whysaid.models.captioner import Unrolled
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.soft import Soft
from whysaid.objectives.cross_entropy import CrossEntropy, ScheduledSampling

WORDS, REGIONS, DIM = 7, 3, 5
CAPTIONS = [
    [[START, 4, 5, END], [START, 6, END, PAD]],
    [[START, 5, 5, END], [PAD, PAD, PAD, PAD]],
]
"""Two captions of the first image, one of the second and a row of padding."""


@pytest.fixture
def batch() -> CaptionBatch:
    torch.manual_seed(0)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    regions = torch.randn(2, REGIONS, DIM).masked_fill(~mask.unsqueeze(2), 0)
    return CaptionBatch(torch.tensor([1, 2]), torch.tensor(CAPTIONS), regions=regions, mask=mask)


@pytest.fixture
def captioner() -> Soft:
    torch.manual_seed(1)
    return Soft(RegionFeatures(DIM), WORDS, 4, 4, 4, dropout=0.0)


def stepped(captioner: Soft, batch: CaptionBatch) -> tuple[list[list[tuple[int, torch.Tensor]]], list[torch.Tensor]]:
    """Of each real caption, word by word: (target, log-probabilities), and the sum of attention over its words."""
    words: list[list[tuple[int, torch.Tensor]]] = []
    attention: list[torch.Tensor] = []
    for image, captions in enumerate(CAPTIONS):
        for caption in captions:
            if caption[0] == PAD:
                continue
            assert batch.regions is not None and batch.mask is not None
            features = captioner.project(batch.regions[image : image + 1], batch.mask[image : image + 1])
            state, said, looked = captioner.start(features), [], torch.zeros(REGIONS)
            for word, target in pairwise(caption):
                if target == PAD:
                    break
                step = captioner.step(torch.tensor([word]), state, features)
                state = step.state
                said.append((target, step.logits[0].log_softmax(-1)))
                looked = looked + step.attention[0]
            words.append(said)
            attention.append(looked)
    return words, attention


def test_the_mean_over_words_that_are_not_padding(captioner: Soft, batch: CaptionBatch) -> None:
    words, _ = stepped(captioner, batch)
    losses = [-log_p[target] for said in words for target, log_p in said]
    assert len(losses) == 3 + 2 + 3
    loss, logs = CrossEntropy()(captioner, batch, 0)
    torch.testing.assert_close(loss, torch.stack(losses).mean())
    assert logs.keys() == {"loss"} and not logs["loss"].requires_grad and loss.requires_grad
    torch.testing.assert_close(logs["loss"], loss.detach())


def test_label_smoothing_spreads_a_share_over_all_words(captioner: Soft, batch: CaptionBatch) -> None:
    words, _ = stepped(captioner, batch)
    losses = [-(0.9 * log_p[target] + 0.1 * log_p.mean()) for said in words for target, log_p in said]
    loss, _ = CrossEntropy(label_smoothing=0.1)(captioner, batch, 0)
    torch.testing.assert_close(loss, torch.stack(losses).mean())


def test_doubly_stochastic_attention_on_real_regions_of_real_captions(captioner: Soft, batch: CaptionBatch) -> None:
    _, attention = stepped(captioner, batch)
    missing = [(1 - looked) ** 2 for looked in attention]
    term = torch.cat([missing[0], missing[1], missing[2][:2]]).mean()
    plain, _ = CrossEntropy()(captioner, batch, 0)
    loss, logs = CrossEntropy(doubly_stochastic=0.5)(captioner, batch, 0)
    torch.testing.assert_close(logs["doubly_stochastic"], term.detach())
    torch.testing.assert_close(loss, plain + 0.5 * term)
    torch.testing.assert_close(logs["loss"], plain.detach())
    (gradient,) = torch.autograd.grad(loss - plain, captioner.vocabulary_layer.weight, allow_unused=True)
    assert gradient is None or gradient.abs().max() < 1e-6  # the term is of the attention alone


def test_without_a_mask_every_region_counts(captioner: Soft, batch: CaptionBatch) -> None:
    batch.mask = None
    assert batch.regions is not None
    features = captioner.project(batch.regions)
    targets = batch.captions.flatten(0, 1)[:, 1:]
    attention = captioner.unroll(batch.captions.flatten(0, 1)[:, :-1], features).attention
    total = sum(
        (1 - sum(attention[n, t, r] for t in range(3) if targets[n, t] != PAD)) ** 2
        for n in range(3)
        for r in range(REGIONS)
    )
    _, logs = CrossEntropy(doubly_stochastic=1.0)(captioner, batch, 0)
    torch.testing.assert_close(logs["doubly_stochastic"], (total / 9).detach())


def test_padding_captions_change_nothing(captioner: Soft, batch: CaptionBatch) -> None:
    objective = CrossEntropy(label_smoothing=0.1, doubly_stochastic=1.0)
    before, _ = objective(captioner, batch, 0)
    wider = torch.full((2, 4, 6), PAD)
    wider[:, :2, :4] = batch.captions
    after, _ = objective(captioner, CaptionBatch(batch.image_ids, wider, regions=batch.regions, mask=batch.mask), 0)
    torch.testing.assert_close(before, after)


def test_the_staircase_of_scheduled_sampling() -> None:
    staircase = ScheduledSampling(start=100, every=50, increase=0.05, maximum=0.12)
    expected = {0: 0, 99: 0, 100: 0.05, 149: 0.05, 150: 0.1, 199: 0.1, 200: 0.12, 10_000: 0.12}
    assert {step: staircase(step) for step in expected} == pytest.approx(expected)


@pytest.mark.parametrize(("step", "probability"), [(9, 0.0), (10, 0.05), (10_000, 0.25)])
def test_the_objective_asks_for_the_probability_of_its_step(batch: CaptionBatch, step: int, probability: float) -> None:
    class Listening(Adaptive):
        asked: float

        def unroll(self, *args: object) -> Unrolled:  # type: ignore[override]
            self.asked = float(args[2])  # type: ignore[arg-type]
            return super().unroll(*args)  # type: ignore[arg-type]

    captioner = Listening(RegionFeatures(DIM), WORDS, 4, 4, 4, dropout=0.0)
    loss, _ = CrossEntropy(scheduled_sampling=ScheduledSampling(start=10, every=10))(captioner, batch, step)
    assert captioner.asked == pytest.approx(probability) and loss.isfinite()


def test_a_model_that_knows_nothing_costs_the_logarithm_of_the_vocabulary(batch: CaptionBatch, captioner: Soft) -> None:
    nn.init.zeros_(captioner.vocabulary_layer.weight)
    nn.init.zeros_(captioner.vocabulary_layer.bias)
    for smoothing in (0.0, 0.3):
        loss, _ = CrossEntropy(label_smoothing=smoothing)(captioner, batch, 0)
        assert loss.item() == pytest.approx(math.log(WORDS), rel=1e-5)
