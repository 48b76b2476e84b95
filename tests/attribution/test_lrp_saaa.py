"""LRP through glimpses and the question's LSTM, against plain loops; and every other method on the same model."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn

from tests.attribution.loops import Memory, Vector, Weights, softmax, through_linear, through_sum
from tests.attribution.tiny import ENCODERS, B, D, R, V, lrp, photos, regions, sizes, without_biases
from whysaid.attribution.answers import Answers
from whysaid.attribution.lrp import rules
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import QuestionBatch
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.saaa import SAAA
from whysaid.run.conf import CONF

A, S, T = 8, 4, 3
TINY = 1e-13


def saaa(encoder: Encoder | None = None, glimpses: int = 2) -> SAAA:
    """In float64, with random biases, in training mode."""
    torch.manual_seed(0)
    model = SAAA(encoder or RegionFeatures(D), V, A, 5, 6, 4, 7, glimpses).double()
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, std=0.1)
    return model


def questions() -> Tensor:
    """(B, S); the second is padded."""
    asked = torch.randint(4, V, (B, S), generator=torch.Generator().manual_seed(3))
    asked[1, 3:] = PAD
    return asked


def answers() -> Tensor:
    return torch.randint(A, (B, T), generator=torch.Generator().manual_seed(4))


def batch(mask: Tensor | None = None) -> QuestionBatch:
    ids = torch.arange(B)
    return QuestionBatch(ids, ids[:, None], questions()[:, None], ids[:, None, None], regions=regions(), mask=mask)


def oracle(
    weights: Weights, regions: Vector, tokens: Vector, answer: int, epsilon: float
) -> tuple[float, Vector, Vector]:
    """(logit, R of the words (S,), R of the regions (R, D)): one image, one answer, no derivative."""
    lstm = Memory(weights, "lstm", (0,))
    hidden = cell = np.zeros(lstm.width)
    moments = []
    for token in tokens:
        moments.append(lstm.forward([np.tanh(weights["embedding.weight"][token])], hidden, cell))
        hidden, cell = moments[-1].hidden, moments[-1].cell
    normed = [vector / (np.sqrt((vector**2).sum()) + 1e-8) for vector in regions]
    query = weights["query.weight"] @ cell + weights["query.bias"]
    compared = [np.maximum(weights["key.weight"] @ vector + query, 0) for vector in normed]
    scores = np.array([weights["score.weight"] @ row + weights["score.bias"] for row in compared])
    attended = [[a * v for a, v in zip(softmax(scores[:, g]), normed, strict=True)] for g in range(scores.shape[1])]
    joined = np.concatenate([*(np.sum(parts, 0) for parts in attended), cell])
    output = np.maximum(weights["hidden_layer.weight"] @ joined + weights["hidden_layer.bias"], 0)
    logits = weights["answer_layer.weight"] @ output + weights["answer_layer.bias"]

    seed = np.zeros_like(logits)
    seed[answer] = logits[answer]
    on_output = through_linear(output, weights["answer_layer.weight"], weights["answer_layer.bias"], seed, epsilon)
    on_joined = through_linear(joined, weights["hidden_layer.weight"], weights["hidden_layer.bias"], on_output, epsilon)
    *on_glimpses, on_cell = np.split(on_joined, [len(regions[0]) * (g + 1) for g in range(len(attended))])
    on_regions = np.zeros_like(regions)
    for parts, relevance in zip(attended, on_glimpses, strict=True):
        on_regions += np.stack(through_sum(parts, relevance, epsilon))
    on_words, on_hidden = np.zeros(len(tokens)), np.zeros(lstm.width)
    for t in reversed(range(len(tokens))):
        (on_embedded,), on_hidden, on_cell = lstm.back(moments[t], on_hidden, on_cell, epsilon)
        on_words[t] = on_embedded.sum()
    return logits[answer], on_words, on_regions


@pytest.mark.parametrize("glimpses", [1, 2])
@pytest.mark.parametrize("epsilon", [0.01, 1e-9])
def test_relevance_is_that_of_nested_loops(glimpses: int, epsilon: float) -> None:
    model = saaa(glimpses=glimpses)
    explanation = lrp(epsilon=epsilon).attribute(model, batch(), Answers(questions(), answers()))
    weights = {key: value.detach().numpy() for key, value in model.state_dict().items()}
    for b in range(B):
        length = int((questions()[b] != PAD).sum())
        for t in range(T):
            logit, words, image = oracle(
                weights, regions()[b].numpy(), questions()[b, :length].numpy(), int(answers()[b, t]), epsilon
            )
            assert np.abs(explanation.words[b, t, :length].numpy() - words).max() <= 1e-9 * np.abs(words).max()
            assert np.abs(explanation.regions[b, t].numpy() - image.sum(1)).max() <= 1e-9 * np.abs(image).max()
            assert (
                abs(float(explanation.residual[b, t]) - (logit - words.sum() - image.sum())) <= 1e-9 * abs(image).sum()
            )


def test_the_oracle_tells_where_epsilon_stands() -> None:
    weights = {key: value.detach().numpy() for key, value in saaa().state_dict().items()}
    args = weights, regions()[0].numpy(), questions()[0].numpy(), 5
    for part in (1, 2):
        assert not np.allclose(oracle(*args, 0.01)[part], oracle(*args, 1e-9)[part], rtol=1e-3)


@pytest.mark.parametrize("eyes", ENCODERS)
@pytest.mark.parametrize("rule", ["epsilon", "alpha1_beta0"])
def test_words_and_pixels_sum_to_the_logit_without_biases(eyes: str, rule: str) -> None:
    torch.manual_seed(1)
    make, side = ENCODERS[eyes]
    model = saaa(make())
    without_biases(model)
    rule_of_encoder = rules.epsilon(TINY) if rule == "epsilon" else rules.alpha_beta(epsilon=TINY)
    explanation = lrp(rule_of_encoder, 1e-12).attribute(model, photos(side), Answers(questions(), answers()))
    assert explanation.pixels is not None and explanation.pixels.shape == (B, T, 3, side, side)
    assert (explanation.residual.abs() <= 1e-8 * sizes([explanation.words, explanation.pixels])).all()
    assert (explanation.pixels.flatten(2).abs().sum(2) > 0).all() and (explanation.words.abs().sum(2) > 0).all()


def test_padding_has_no_relevance_and_changes_none() -> None:
    model = saaa()
    whole = lrp().attribute(model, batch(), Answers(questions(), answers()))
    assert (whole.words[1, :, 3:] == 0).all() and (whole.words[0] != 0).all()
    second = QuestionBatch(*(torch.zeros(1),) * 4, regions=regions()[1:])
    alone = lrp().attribute(model, second, Answers(questions()[1:, :3], answers()[1:]))
    torch.testing.assert_close(alone.words, whole.words[1:, :, :3])
    torch.testing.assert_close(alone.regions, whole.regions[1:])


def test_masked_regions_have_no_relevance() -> None:
    mask = torch.tensor([[True] * (R - 1) + [False], [True] * R])
    explanation = lrp().attribute(saaa(), batch(mask), Answers(questions(), answers()))
    assert (explanation.regions[0, :, R - 1] == 0).all() and (explanation.regions[1] != 0).all()


def test_the_predicted_answer_is_the_likeliest() -> None:
    model = saaa()
    with torch.no_grad():
        best = model.eval()(questions(), model.features(batch())).argmax(1, keepdim=True)
    predicted = lrp().attribute(model, batch(), Answers(questions()))
    likeliest = lrp().attribute(model, batch(), Answers(questions(), best))
    assert predicted.words.shape == (B, 1, S)
    torch.testing.assert_close(predicted.regions, likeliest.regions, rtol=0, atol=0)


def test_this_answer_rather_than_that_one_is_a_difference() -> None:
    model, other = saaa(), (answers() + 1) % A
    first, two = (lrp().attribute(model, batch(), Answers(questions(), words)) for words in (answers(), other))
    both = lrp().attribute(model, batch(), Answers(questions(), answers(), against=other))
    for name in ("words", "regions", "residual"):
        torch.testing.assert_close(vars(both)[name], vars(first)[name] - vars(two)[name])


METHODS = sorted(path.stem for path in (CONF / "attribution").glob("*.yaml"))
NEED_A_SENTINEL = {"sentinel"}
NEED_A_TRANSFORMER = {"attention_rollout", "gradient_attention", "attention_grad_cam"}
OTHERS = [name for name in METHODS if name not in NEED_A_SENTINEL | NEED_A_TRANSFORMER | {"all"}]


def method(name: str) -> dict[str, object]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(f"attribution/{name}").attribution
    small = {"window": 4, "stride": 2} if name == "occlusion" else {}
    return {name: instantiate(config, **small)}


@pytest.mark.parametrize("name", OTHERS)
def test_every_method_explains_answers(name: str) -> None:
    """In a batch as one by one, and, where it speaks of words, never of padding."""
    torch.manual_seed(1)
    make, side = ENCODERS["scenes_cnn"]
    model = saaa(make())
    model.encoder.grid = (side // 2, side // 2)

    def explained(rows: slice) -> object:
        torch.manual_seed(5)
        targets = Answers(questions()[rows], answers()[rows])
        return attribute_all(method(name), model, photos(side)[rows], targets)[name]  # type: ignore[arg-type]

    both = explained(slice(0, B))
    assert both.regions.shape[:2] == (B, T)  # type: ignore[attr-defined]
    assert (both.words[1, :, 3:].abs() < TINY).all()  # type: ignore[attr-defined]
    for b in range(B):
        single = explained(slice(b, b + 1))
        for part, value in vars(single).items():
            if value is not None:
                torch.testing.assert_close(value, vars(both)[part][b : b + 1])


@pytest.mark.parametrize("name", sorted(NEED_A_TRANSFORMER))
def test_a_method_of_transformers_says_so(name: str) -> None:
    make, side = ENCODERS["scenes_cnn"]
    with pytest.raises(UserError, match=r"SAAA is no transformer, .* choose another attribution, such as attention"):
        attribute_all(method(name), saaa(make()), photos(side), Answers(questions()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Answers(questions()[:, :0]), "nothing to explain"),
        (lambda: Answers(questions(), "said"), "does not say its answer"),
        (lambda: Answers(questions(), answers()[:1]), r"must be \(questions, answers\), here \(2, 3\)"),
        (lambda: Answers(questions(), answers(), answers()[:, :1]), r"must be \(questions, answers\)"),
    ],
)
def test_answers_that_cannot_be_explained(make: Callable[[], Answers], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
