"""LRP-inference against Eq. 10–12 written out."""

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.attribution.tiny import captioner, vgg
from tests.attribution.tiny import lrp as rules
from tests.objectives.tiny import STOP, VOCABULARY, data, with_photos, with_regions
from whysaid.attribution.targets import Targets
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.gridtd import GridTD
from whysaid.models.relevance import lrp, share
from whysaid.objectives.content_words import content_words
from whysaid.objectives.context_relevance import ContextRelevance
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.image_relevance import ImageRelevance, RawRelevance
from whysaid.objectives.lrp_inference import LRPInference

NAMES = ["soft", "adaptive", "gridtd", "aoa", "transformer"]


def objective(relevance: Any, **settings: Any) -> LRPInference:
    made = LRPInference(relevance, **settings)
    made.prepare(captioner("gridtd"), data())
    return made


def gradients(model: nn.Module, loss: Tensor) -> list[Tensor]:
    of_parameters = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(model.parameters(), of_parameters, strict=True)]


def signed(name: str, pixels: bool) -> tuple[Captioner, CaptionBatch]:
    """A captioner without dropout whose most probable words vary, some of them with negative logits."""
    model = captioner(name, vgg() if pixels else None).eval()
    nn.init.normal_(model.vocabulary_layer.weight, std=4.0)
    with torch.no_grad():
        model.vocabulary_layer.bias[[0, 1, 2, 3, 4, 6]] -= 100
    return model, with_photos() if pixels else with_regions()


def factor(model: Captioner, batch: CaptionBatch, row: int, place: int, word: int) -> float:
    """1 + mean(E_t) from the explanation of one word of one caption of one image."""
    image = row // batch.captions.shape[1]
    alone = CaptionBatch(batch.image_ids[[image]], batch.captions[[image]])
    if batch.images is None:
        assert batch.regions is not None and batch.mask is not None
        alone.regions, alone.mask = batch.regions[[image]], batch.mask[[image]]
    else:
        alone.images = batch.images[[image]]
    said = batch.captions.flatten(0, 1)[row][None, 1:]
    explanation = rules().attribute(model, alone, Targets(said, [place], torch.tensor([[word]])))
    if explanation.pixels is not None:
        relevance = explanation.pixels[0, 0].sum(0).flatten()
    else:
        assert alone.mask is not None
        relevance = explanation.regions[0, 0][alone.mask[0]]
    return 1 + (relevance / relevance.abs().max()).mean().item()


@pytest.mark.parametrize("pixels", [True, False], ids=["pixels", "regions"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("explain", ["argmax", "target"])
def test_the_image_variant_by_hand(name: str, pixels: bool, explain: Any) -> None:
    """Word by word; with the weights as plain numbers, so that they are constants in the backward."""
    model, batch = signed(name, pixels)
    captions = batch.captions.flatten(0, 1)
    inputs, targets = captions[:, :-1], captions[:, 1:]
    logits = model.unroll(inputs, model.features(batch)).logits
    plain, changed, raised, number, explained = 0.0, 0.0, 0, 0, 0
    for row, place in (targets != PAD).nonzero().tolist():
        p, target = logits[row, place], targets[row, place]
        word = int(p.argmax()) if explain == "argmax" else int(target)
        m = torch.ones_like(p)
        if word > 3 and word not in STOP:
            m[word] = factor(model, batch, row, place, word)
            raised += bool(p[word] < 0) and bool(m[word] < 1)
            explained += 1
        plain = plain - p.log_softmax(0)[target]
        changed = changed - (m * p).log_softmax(0)[target]
        number += 1
    expected = (0.3 * plain + 0.7 * changed) / number
    loss, logs = objective(ImageRelevance(rules(chunk=2)), weight=0.3, explain=explain)(model, batch, 0)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
    for ours, theirs in zip(gradients(model, loss), gradients(model, expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    assert explained > 0 and logs["explained"] == pytest.approx(explained / number)
    assert logs["negative_raised"] == pytest.approx(raised / explained)
    torch.testing.assert_close(logs["loss_reweighted"], changed.detach() / number, rtol=0, atol=1e-10)


@pytest.mark.parametrize("pixels", [True, False], ids=["pixels", "regions"])
@pytest.mark.parametrize("by", ["max", "mean"])
def test_raw_relevance_is_standardised_over_the_words_of_the_batch(pixels: bool, by: Any) -> None:
    """Against the explanation of each word by itself."""
    model, batch = signed("gridtd", pixels)
    weigh, masks = RawRelevance(rules(chunk=2), by=by, strength=0.5), batch.mask
    made = objective(weigh, explain="target")
    captions = batch.captions.flatten(0, 1)
    explained, _ = made._explain(model, batch, captions[:, :-1], captions[:, 1:])
    raw = []
    for row, place in zip(*(rows.tolist() for rows in explained.rows), strict=True):
        image = row // batch.captions.shape[1]
        targets = Targets(captions[row][None, 1:], [place])
        explanation = rules().attribute(model, batch.rows([image]), targets)
        if explanation.pixels is not None:
            values = explanation.pixels[0, 0].sum(0).flatten()
        else:
            assert masks is not None
            values = explanation.regions[0, 0] if by == "max" else explanation.regions[0, 0][masks[image]]
        raw.append(values.max() if by == "max" else values.mean())
    values = torch.stack(raw)
    expected = (1 + 0.5 * (values - values.mean()) / values.std(correction=0)).clamp(0, 2)
    torch.testing.assert_close(weigh.factors(model, explained), expected, rtol=0, atol=1e-9)
    assert len(values) > 3 and expected.std() > 0.1
    loss, logs = made(model, batch, 0)
    assert loss.isfinite() and logs["negative_raised"] >= 0


def test_words_that_are_all_alike_keep_their_weight() -> None:
    weigh = RawRelevance(rules(), strength=0.5)
    for values in (torch.tensor([]), torch.tensor([2.0]), torch.tensor([3.0, 3.0])):
        assert torch.equal(weigh.weights(values), torch.ones_like(values))
    assert weigh.weights(torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 90.0])).max() == 2
    for settings in ({"by": "least"}, {"strength": -1.0}):
        with pytest.raises(UserError, match=r"objective\.relevance\.by"):
            RawRelevance(rules(), **settings)  # type: ignore[arg-type]


def test_a_negative_logit_may_rise_and_that_is_counted() -> None:
    model, batch = signed("gridtd", pixels=True)
    with torch.no_grad():
        model.vocabulary_layer.bias -= 100
    _, logs = objective(ImageRelevance(rules()), explain="target")(model, batch, 0)
    assert logs["negative_raised"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_context_weights_are_relevance_of_the_parts_by_autograd(name: str) -> None:
    model, batch = signed(name, pixels=False)
    reading = model.read(model.embed(batch.captions.flatten(0, 1)[:, :-1]), model.features(batch))
    words = torch.randint(3, 9, reading.output.shape[:2])
    weights = ContextRelevance(epsilon=0.01).weights(model, reading.output, reading.parts, words)
    parts = [part.detach().requires_grad_() for part in reading.parts]
    rest = reading.output.detach() - parts[0].detach() - parts[1].detach()
    with lrp(0.01):
        logits = model.head(share(rest + parts[0] + parts[1])).gather(2, words[..., None])
        derivatives = torch.autograd.grad(logits.sum(), parts)
    for weight, part, gradient in zip(weights, parts, derivatives, strict=True):
        relevance = gradient * part.detach()
        torch.testing.assert_close(weight, 1 + relevance / relevance.abs().amax(-1, keepdim=True), rtol=0, atol=1e-10)
        assert not weight.requires_grad and weight.min() >= 0 and weight.max() <= 2
    if name != "soft":  # whose output also holds the word itself
        assert rest.abs().max() < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_the_context_variant_by_hand(name: str) -> None:
    model, batch = signed(name, pixels=False)
    captions = batch.captions.flatten(0, 1)
    targets = captions[:, 1:]
    reading = model.read(model.embed(captions[:, :-1]), model.features(batch))
    logits, layer = model.head(reading.output), model.vocabulary_layer
    plain, changed, number = 0.0, 0.0, 0
    for row, place in (targets != PAD).nonzero().tolist():
        p, target, output = logits[row, place], targets[row, place], reading.output[row, place]
        word, weighted = int(p.argmax()), output
        if word > 3 and word not in STOP:
            y, o = p[word].item(), output.detach()
            for part in reading.parts:
                own = part[row, place]
                through = layer.weight.detach()[word] * o * y / (y + (0.01 if y >= 0 else -0.01))
                relevance = through * own.detach() / torch.where(o >= 0, o + 0.01, o - 0.01)
                weighted = weighted + relevance / relevance.abs().max() * own
        plain = plain - p.log_softmax(0)[target]
        changed = changed - layer(weighted).log_softmax(0)[target]
        number += 1
    expected = (0.5 * plain + 0.5 * changed) / number
    loss, _ = objective(ContextRelevance())(model, batch, 0)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-10)
    for ours, theirs in zip(gradients(model, loss), gradients(model, expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("relevance", [ContextRelevance(), ImageRelevance(rules())], ids=["context", "image"])
def test_with_all_weight_on_p_it_is_cross_entropy_to_the_bit(relevance: Any) -> None:
    model, batch = captioner("gridtd").float().train(), with_regions()
    assert batch.regions is not None
    batch.regions = batch.regions.float()
    results = []
    for made in (CrossEntropy(label_smoothing=0.1), objective(relevance, weight=1.0, label_smoothing=0.1)):
        torch.manual_seed(0)
        loss, _ = made(model, batch, 0)
        results.append([loss, *gradients(model, loss), torch.get_rng_state()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    torch.manual_seed(0)
    half, _ = objective(relevance, weight=0.5, label_smoothing=0.1)(model, batch, 0)
    assert half != results[0][0]


@pytest.mark.parametrize("relevance", [ContextRelevance(), ImageRelevance(rules())], ids=["context", "image"])
def test_without_a_word_to_explain_it_is_cross_entropy(relevance: Any) -> None:
    """Captions of stop words only: nothing has anything to do with the image."""
    model, batch = captioner("gridtd").eval(), with_regions()
    batch.captions = torch.tensor([[[1, 4, 6, 4, 2]], [[1, 6, 4, 2, 0]]])
    loss, logs = objective(relevance, explain="target")(model, batch, 0)
    plain, _ = CrossEntropy()(model, batch, 0)
    torch.testing.assert_close(loss, plain, rtol=0, atol=1e-14)
    loss.backward()
    assert logs["explained"] == 0 and all(value.isfinite() for value in logs.values())


def test_without_relevance_all_weights_are_one() -> None:
    model, batch = captioner("gridtd", vgg()).eval(), with_photos()
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
        for layer in (model.project_region, model.project_global):
            layer.bias.zero_()
    loss, _ = objective(ImageRelevance(rules()), explain="target")(model, batch, 0)
    plain, _ = CrossEntropy()(model, batch, 0)
    torch.testing.assert_close(loss, plain, rtol=0, atol=1e-12)
    nothing = torch.zeros(2, 6, dtype=torch.float64)
    weights = ContextRelevance().weights(model, nothing, (nothing, nothing), torch.tensor([5, 7]))
    assert all(torch.equal(weight, torch.ones_like(weight)) for weight in weights)


def test_weights_survive_half_precision() -> None:
    """An activation that overflowed leaves its own word's weights at 1 and the others' as they are."""
    torch.manual_seed(0)
    model = GridTD(RegionFeatures(3), 9, 4, 6, 4)
    context, hidden = torch.randn(2, 3, 6, dtype=torch.float16)
    context[1, 0] = 1e5  # inf in float16
    output = context + hidden
    words = torch.tensor([5, 7, 8])
    with torch.autocast("cpu", torch.float16):
        weights = ContextRelevance().weights(model, output, (context, hidden), words)
    exact = ContextRelevance().weights(model, output.float(), (context.float(), hidden.float()), words)
    for weight, expected in zip(weights, exact, strict=True):
        assert weight.dtype == torch.float32 and torch.equal(weight, expected)
        assert torch.equal(weight[1], torch.ones(6)) and (weight[[0, 2]] != 1).any(1).all()
        assert ((weight >= 0) & (weight <= 2)).all()


@pytest.mark.parametrize("relevance", [ContextRelevance(), ImageRelevance(rules())], ids=["context", "image"])
def test_bfloat16_training_is_finite(relevance: Any) -> None:
    torch.manual_seed(0)
    model, batch = GridTD(RegionFeatures(5), 9, 8, 8, 8), with_regions()
    assert batch.regions is not None
    batch.regions = batch.regions.float()
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = objective(relevance, explain="target")(model, batch, 0)
    loss.backward()
    assert loss.isfinite() and all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert model.vocabulary_layer.weight.grad is not None and model.training


def test_regions_in_place_of_pixels_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    model, made = captioner("gridtd"), objective(ImageRelevance(rules()), explain="target")
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            made(model, with_regions(), 0)
    assert [record.message.count("E_t is over regions") for record in caplog.records] == [1]


def test_content_words() -> None:
    words = {
        word for word, content in zip(VOCABULARY.words, content_words(VOCABULARY).tolist(), strict=True) if content
    }
    assert words == {"dog", "cat", "ball"}


@pytest.mark.parametrize(("settings", "message"), [({"weight": 1.2}, "between 0 and 1"), ({"explain": "x"}, "argmax")])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LRPInference(ContextRelevance(), **settings)
