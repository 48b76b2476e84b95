"""Methods that follow attention through whole models of transformers."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.attribution.sighted import sighted
from tests.attribution.tiny import captions
from tests.attribution.tiny import photos as tiny_photos
from tests.models.transformers.test_lrp import subject
from tests.models.transformers.tiny import SAVE, photos
from tests.models.transformers.tiny_families import DIALOGUES
from whysaid.attribution.explaining import explaining
from whysaid.attribution.gradient.shared_passes import explained_inputs
from whysaid.attribution.looking.attention_passes import AttentionPasses
from whysaid.attribution.looking.gradient_attention import AttentionGradCam, GradientAttention
from whysaid.attribution.looking.rollout import AttentionRollout
from whysaid.attribution.method import Method
from whysaid.attribution.targets import Targets
from whysaid.attribution.token_activation import TokenActivation
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable
from whysaid.models.transformers.load import Pretrained

Load = Callable[[str], Pretrained]

FAMILIES = [*SAVE, *(family for family in DIALOGUES if not family.startswith("blip2")), "ours"]
METHODS: dict[str, Method] = {
    "attention_rollout": AttentionRollout(),
    "gradient_attention": GradientAttention(),
    "attention_grad_cam": AttentionGradCam(),
    "token_activation": TokenActivation(),
}


def asked(family: str, loaded: Load) -> tuple[Explainable, Tensor, Targets]:
    """A model, its images, and what is explained."""
    if family == "ours":
        model, side = sighted("transformer", "vgg")
        return model.eval(), tiny_photos(side), Targets(captions())
    model, targets = subject(family, loaded)
    return model, photos(2), targets


def maps_of(model: Explainable, images: Tensor, targets: Targets) -> tuple[list[Tensor], list[Tensor], list[tuple]]:
    """All attention maps, what each explained word asks of them (T, N, Q, K), and their places."""
    with explained_inputs(model, images, targets, 9) as (inputs, targets):
        passes = AttentionPasses(model, inputs, targets, 9)
        weights = [part.weights.detach() for part in passes.maps]
        return weights, passes.asked(slice(None)), [tuple(p.tolist() for p in part.places) for part in passes.maps]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", METHODS)
def test_every_word_is_explained_whatever_comes_at_once(name: str, family: str, loaded: Load) -> None:
    model, images, targets = asked(family, loaded)
    explanation = METHODS[name].attribute(model, images, targets)
    rows, read = len(targets.places), targets.inputs().shape[1]
    assert explanation.pixels is not None and explanation.pixels.shape == (2, rows, 1, *images.shape[2:])
    assert explanation.words.shape == (2, rows, read) and explanation.regions.shape[:2] == (2, rows)
    for part in (explanation.pixels, explanation.regions, explanation.words):
        assert part.isfinite().all() and (part >= 0).all()
    assert explanation.regions.sum() > 0
    if family != "vilt":
        later = torch.arange(read) > torch.tensor(targets.places)[:, None]
        assert (explanation.words[:, later] == 0).all()
    alone = type(METHODS[name])(**({} if name == "attention_rollout" else {"chunk": 1}))
    same = alone.attribute(model, images, targets)
    torch.testing.assert_close(vars(same), vars(explanation), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_rollout_is_a_product_of_whole_matrices(family: str, loaded: Load) -> None:
    model, images, targets = asked(family, loaded)
    explanation = AttentionRollout().attribute(model, images, targets)
    weights, _, places = maps_of(model, images, targets)
    regions, read = explanation.regions.shape[2], targets.context_length
    product = np.stack([np.eye(regions + read)] * 2)
    for attention, (queries, keys) in zip(weights, places, strict=True):
        layer = np.stack([np.eye(regions + read)] * 2)
        for i, query in enumerate(queries):
            layer[:, query] /= 2
            for j, key in enumerate(keys):
                layer[:, query, key] += attention[:, :, i, j].mean(1).double().numpy() / 2
        product = layer @ product
    rows = product[:, [regions + place for place in targets.places]]
    np.testing.assert_allclose(explanation.regions, rows[..., :regions], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(explanation.words[..., :read], rows[..., regions:], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(rows.sum(2), 1, rtol=1e-6)


@pytest.mark.parametrize("family", ["vilt", "blip"])
def test_what_a_word_asks_of_attention_is_the_gradient_of_what_the_model_returns(family: str, loaded: Load) -> None:
    """E_h((∇A ⊙ A)⁺) by plain autograd on the attention that transformers itself gives out."""
    model, images, targets = asked(family, loaded)
    _, found, _ = maps_of(model, images, targets)
    with explaining(model, images.device):
        if family == "vilt":
            embedded = model.embed(targets.inputs())
            regions, _ = model.encoder(images)
            read = model.vilt(  # type: ignore[operator]
                inputs_embeds=embedded.clone(),
                image_embeds=regions,
                pixel_mask=torch.ones(regions.shape[:2], dtype=torch.int64),
                output_attentions=True,
            )
            attention, logits = read.attentions, model.head(read.pooler_output)
            score = targets.scores(logits[:, None])[:, 0].sum()
        else:
            sight = model.encoder.vision(pixel_values=images, output_attentions=True)  # type: ignore[operator]
            decoded = model.decoder.bert(  # type: ignore[operator, union-attr]
                inputs_embeds=model.embed(targets.inputs()).clone(),
                encoder_hidden_states=sight.last_hidden_state,
                is_decoder=True,
                output_attentions=True,
            )
            pairs = zip(decoded.attentions, decoded.cross_attentions, strict=True)
            attention = (*sight.attentions, *(part for pair in pairs for part in pair))
            output = model.decoder.cls.predictions.transform(decoded.last_hidden_state)  # type: ignore[operator, union-attr]
            score = targets.scores(model.head(output))[:, 2].sum()
        gradients = torch.autograd.grad(score, attention)
    for ours, weight, gradient in zip(found, attention, gradients, strict=True):
        expected = (gradient * weight).clamp(min=0).mean(1).detach()
        torch.testing.assert_close(ours[0 if family == "vilt" else 2], expected)


@pytest.mark.parametrize("family", ["vilt", "git", "ours", "blip", "blip_vqa"])
def test_gradient_attention_by_the_equations_of_the_paper(family: str, loaded: Load) -> None:
    """Eq. 6–11 of Chefer et al. 2021 with a matrix for each pair of kinds of tokens, one word of one image."""
    model, images, targets = asked(family, loaded)
    explanation = GradientAttention().attribute(model, images, targets)
    _, found, places = maps_of(model, images, targets)
    regions, read = explanation.regions.shape[2], targets.context_length
    for word, place in enumerate(targets.places):
        relevance = np.eye(regions + read)
        for attention, (queries, keys) in zip(found, places, strict=True):
            a = attention[word, 1].double().numpy()
            if set(queries) <= set(keys):
                relevance[queries] += a @ relevance[keys]  # Eq. 6 and 7
                continue
            own, others = (bar(relevance[np.ix_(part, part)]) for part in (queries, keys))
            further = [token for token in range(regions + read) if token not in keys]
            relevance[np.ix_(queries, further)] += a @ relevance[np.ix_(keys, further)]  # Eq. 11
            relevance[np.ix_(queries, keys)] += own.T @ a @ others  # Eq. 10
        row = relevance[regions + place]
        row[regions + place] -= 1
        np.testing.assert_allclose(explanation.regions[1, word], row[:regions], rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(explanation.words[1, word, :read], row[regions:], rtol=1e-5, atol=1e-9)


def bar(relevance: np.ndarray) -> np.ndarray:
    """Eq. 8 and 9."""
    added = relevance - np.eye(len(relevance))
    sums = added.sum(1, keepdims=True)
    return np.divide(added, sums, out=np.zeros_like(added), where=sums != 0) + np.eye(len(relevance))


def test_grad_cam_on_attention_is_that_of_one_layer_or_their_mean(loaded: Load) -> None:
    model, images, targets = asked("blip", loaded)
    _, found, _ = maps_of(model, images, targets)
    # behind two maps of vision, each layer has one of words to words, and one that looks at the image
    layers = [torch.stack([found[n][t, :, t] for t in range(4)], 1) for n in (3, 5)]
    for layer, expected in ((0, layers[0]), (-1, layers[1]), (None, sum(layers) / 2)):
        explanation = AttentionGradCam(layer).attribute(model, images, targets)
        torch.testing.assert_close(explanation.regions, expected)
        assert (explanation.words == 0).all()
    with pytest.raises(UserError, match="2 layers of Blip attend to the image, and there is no layer 2 among them"):
        AttentionGradCam(2).attribute(model, images, targets)


def test_an_answer_that_does_not_look_itself_has_the_mean_of_what_the_question_looked_at(loaded: Load) -> None:
    model, images, targets = asked("blip_vqa", loaded)
    _, found, places = maps_of(model, images, targets)
    explanation = AttentionGradCam(0).attribute(model, images, targets)
    assert len(places[3][0]) == 3  # the words of the question
    torch.testing.assert_close(explanation.regions, found[3].mean(2).transpose(0, 1))


@pytest.mark.parametrize("method", ["attention_rollout", "gradient_attention", "attention_grad_cam"])
def test_captioners_with_an_lstm_are_refused(method: str) -> None:
    model, side = sighted("aoa", "vgg")
    with pytest.raises(UserError, match="AoA is no transformer, whose attention leads from layer to layer"):
        METHODS[method].attribute(model, tiny_photos(side), Targets(captions()))


def test_heads_may_be_joined_otherwise(loaded: Load) -> None:
    model, images, targets = asked("blip", loaded)
    mean, most = (AttentionRollout(heads).attribute(model, images, targets) for heads in ("mean", "max"))
    assert not torch.allclose(mean.regions, most.regions)
    torch.testing.assert_close(most.regions.sum(2) + most.words.sum(2), torch.ones(2, 4, dtype=torch.float64))
    with pytest.raises(UserError, match="joined by their mean, max or min, not by their 'median'"):
        AttentionRollout("median")  # type: ignore[arg-type]
