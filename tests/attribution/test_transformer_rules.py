"""LRP through the operations of transformers, each against its matrix form, and through whole models."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.attribution import tiny_transformers
from tests.attribution.test_lrp_captioners import batch
from tests.attribution.tiny import CAPTIONERS, captioner, captions
from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.lrp.rules import Rule
from whysaid.attribution.lrp.transformer_rules import Softmax
from whysaid.attribution.targets import Targets
from whysaid.errors import UserError

TINY = 1e-13


def same(rule: Rule, softmax: Softmax = "constant") -> Composite:
    return Composite(rule, rule, rule, softmax=softmax)


CP, ATTN = same(rules.epsilon(TINY)), same(rules.epsilon(TINY), "gradient")


def leaf(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def relevance(composite: Composite, function: Callable[..., Tensor], *leaves: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The output y under the rules, every entry of which is explained, and the relevance of each leaf."""
    with composite.applied_behind(nn.Identity()):
        y = function(*leaves)
    return y.detach(), [x.detach() * g for x, g in zip(leaves, torch.autograd.grad(y.sum(), leaves), strict=True)]


# Operations


def test_layer_norm_shares_what_is_left_of_the_mean_and_takes_its_deviation_for_a_constant() -> None:
    x, norm = leaf(3, 5), nn.LayerNorm(5).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    y, (heat,) = relevance(CP, norm, x)
    torch.testing.assert_close(y, norm(x).detach())
    for row, value in zip(heat, x.detach(), strict=True):
        deviation = (value.var(correction=0) + norm.eps).sqrt()
        matrix = (norm.weight / deviation)[:, None] * (torch.eye(5) - 1 / 5)
        torch.testing.assert_close(row, value * matrix.sum(0), check_dtype=False)


def written_rms_norm(x: Tensor) -> Tensor:
    """As transformers writes it."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def divided_rms_norm(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()


def powered_rms_norm(x: Tensor) -> Tensor:
    return x * ((x * x).mean(-1, keepdim=True) + 1e-6).pow(-0.5)


NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "F.rms_norm": lambda x: F.rms_norm(x, (5,), eps=1e-6),
    "written": written_rms_norm,
    "divided": divided_rms_norm,
    "powered": powered_rms_norm,
    "F.normalize": lambda x: F.normalize(x, dim=-1),
    "norm": lambda x: x / x.norm(dim=-1, keepdim=True),
}


@pytest.mark.parametrize("name", NORMS)
def test_what_divides_by_a_length_passes_all_relevance(name: str) -> None:
    x = leaf(3, 5)
    y, (heat,) = relevance(CP, NORMS[name], x)
    torch.testing.assert_close(y, NORMS[name](x).detach())
    torch.testing.assert_close(heat, y)


def new_gelu(x: Tensor) -> Tensor:
    """As GPT-2 writes it."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_new": new_gelu,
    "gelu_python": lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))),
    "gelu_fast": lambda x: 0.5 * x * (1.0 + torch.tanh(x * 0.7978845608 * (1.0 + 0.044715 * x * x))),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "silu": nn.SiLU(inplace=True),
    "mish": F.mish,
    "relu": nn.ReLU(),
    "relu_squared": lambda x: torch.square(F.relu(x)),
    "leaky_relu": F.leaky_relu,
    "tanh": nn.Tanh(),
    "hardtanh": F.hardtanh,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("behind_a_layer", [False, True])
def test_activations_pass_all_relevance(name: str, behind_a_layer: bool) -> None:
    def function(x: Tensor) -> Tensor:
        return ACTIVATIONS[name](F.linear(x, torch.eye(7, dtype=x.dtype)) if behind_a_layer else x * 1)

    x = leaf(3, 7)
    y, (heat,) = relevance(CP, function, x)
    torch.testing.assert_close(y, function(x).detach())
    torch.testing.assert_close(heat, y)


def test_a_sigmoid_is_a_gate_and_of_a_product_of_two_each_takes_half() -> None:
    a, b = leaf(4), leaf(4, seed=1)
    y, (on_a, on_b) = relevance(CP, torch.mul, a, b)
    torch.testing.assert_close([on_a, on_b], [y / 2, y / 2])
    with CP.applied_behind(nn.Identity()):
        gated = a * torch.sigmoid(b)
    assert torch.autograd.grad(gated.sum(), b, allow_unused=True)[0] is None
    y, (on_a,) = relevance(CP, lambda a: a * a, a)
    torch.testing.assert_close(on_a, y)


def test_parameters_are_constants_and_keep_their_own_gradients() -> None:
    x, weight = leaf(4), nn.Parameter(leaf(4, seed=1).detach())
    y, (heat,) = relevance(CP, lambda x: (1.0 + weight) * x, x)
    torch.testing.assert_close(heat, y)
    assert weight.requires_grad and weight.grad is None


def test_gpt2s_layers_follow_the_rule_of_fully_connected_ones() -> None:
    x, weight, bias = leaf(3, 5), nn.Parameter(leaf(5, 2, seed=1).detach()), nn.Parameter(leaf(2, seed=2).detach())
    for rule in (rules.epsilon(0.1), rules.gamma(), rules.alpha_beta(2, 1)):
        ours = relevance(same(rule), lambda x: torch.addmm(bias, x, weight), x)
        theirs = relevance(same(rule), lambda x: F.linear(x, weight.t(), bias), x)
        torch.testing.assert_close(ours, theirs)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention as many write it."""
    scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
    return torch.matmul(F.dropout(nn.Softmax(dim=-1)(scores), 0.1, False), v)


ATTENTIONS: dict[str, Callable[..., Tensor]] = {
    "raw": attend,
    "sdpa": F.scaled_dot_product_attention,
    "einsum": lambda q, k, v: torch.einsum("bqk,bkd->bqd", (torch.einsum("bqd,bkd->bqk", q, k) / 2).softmax(-1), v),
    "bmm": lambda q, k, v: torch.bmm((torch.bmm(q, k.mT) * 0.5).softmax(-1), v),
    "baddbmm": lambda q, k, v: torch.bmm(torch.baddbmm(q.new_zeros(2, 3, 5), q, k.mT, alpha=0.5).softmax(-1), v),
}


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_in_matrix_form(name: str) -> None:
    """CP gives all to the values; AttnLRP half of A V, and half of that of Q Kᵀ (Propositions 3.1, 3.3)."""
    q, k, v = leaf(2, 3, 4), leaf(2, 5, 4, seed=1), leaf(2, 5, 4, seed=2)
    scores = (q @ k.mT / 2).detach()
    weights = scores.softmax(-1)
    on_value = v.detach() * weights.sum(1)[..., None]  # every entry of the output takes its own value
    on_weights = weights * v.detach().sum(2)[:, None] / 2
    on_scores = scores * (on_weights - weights * on_weights.sum(-1, keepdim=True))
    products = q.detach()[:, :, None] * k.detach()[:, None] / 2  # (2, 3, 5, 4), each score a sum over the last
    on_products = products / scores[..., None] * on_scores[..., None] / 2
    y, (to_value,) = relevance(CP, lambda v: ATTENTIONS[name](q.detach(), k.detach(), v), v)
    torch.testing.assert_close(y, attend(q, k, v).detach())
    torch.testing.assert_close(to_value, on_value)
    y, heat = relevance(ATTN, ATTENTIONS[name], q, k, v)
    torch.testing.assert_close(y, attend(q, k, v).detach())
    torch.testing.assert_close(heat, [on_products.sum(2), on_products.sum(1), on_value / 2])


def test_under_cp_neither_queries_nor_keys_take_any() -> None:
    q, k, v = leaf(1, 2, 3, 4), leaf(1, 2, 5, 4, seed=1), leaf(1, 2, 5, 4, seed=2)
    for attention in (attend, F.scaled_dot_product_attention):
        with CP.applied_behind(nn.Identity()):
            y = attention(q, k, v)
        assert torch.autograd.grad(y.sum(), (q, k), allow_unused=True) == (None, None)


MASKS: dict[str, dict[str, Any]] = {
    "causal": {"is_causal": True},
    "bool": {"attn_mask": torch.tensor([[True, False, True, True, False]] * 2 + [[False] * 5])},
    "float": {"attn_mask": torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))},
    "scale": {"scale": 0.3},
}


@pytest.mark.parametrize("name", MASKS)
def test_fused_attention_is_the_same_step_by_step(name: str) -> None:
    q, k, v = leaf(1, 4, 3, 6), leaf(1, 2, 5, 6, seed=1), leaf(1, 2, 5, 6, seed=2)
    y, _ = relevance(ATTN, lambda *x: F.scaled_dot_product_attention(*x, enable_gqa=True, **MASKS[name]), q, k, v)
    torch.testing.assert_close(y, F.scaled_dot_product_attention(q, k, v, enable_gqa=True, **MASKS[name]).detach())


@pytest.mark.parametrize("batch_first", [True, False])
def test_torchs_own_attention_module_is_the_same_step_by_step(batch_first: bool) -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(6, 2, batch_first=batch_first).double().eval()
    x, padding = leaf(3, 3, 6), torch.tensor([[False, False, True], [False] * 3, [False] * 3])
    causal = torch.ones(3, 3, dtype=torch.bool).triu(1)

    def run(x: Tensor) -> Tensor:
        summed: Tensor = module(x, x, x, key_padding_mask=padding, attn_mask=causal, need_weights=False)[0]
        return summed

    y, (heat,) = relevance(CP, run, x)
    torch.testing.assert_close(y, run(x).detach())
    torch.testing.assert_close(heat.sum(), y.sum())
    nn.init.normal_(module.in_proj_bias)
    nn.init.normal_(module.out_proj.bias)
    torch.testing.assert_close(relevance(CP, run, x)[0], run(x).detach())


# Whole models


def explained(tiny: tiny_transformers.Tiny, composite: Composite) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, and for the last of each sequence's the score's difference from Σ R, and Σ |R|, both (B,)."""
    leaves = tiny_transformers.inputs()
    with composite.applied_behind(tiny.model):
        logits = tiny.run(*leaves)
    score = logits[:, -1, 3]
    gradients = torch.autograd.grad(score.sum(), leaves)
    parts = torch.cat([(x.detach() * g).flatten(1) for x, g in zip(leaves, gradients, strict=True)], 1)
    return logits.detach(), score.detach() - parts.sum(1), parts.abs().sum(1)


@pytest.mark.parametrize("name", tiny_transformers.TINY)
@pytest.mark.parametrize("rule", [rules.epsilon(TINY), rules.gamma(epsilon=TINY)], ids=["epsilon", "gamma"])
def test_models_of_transformers_conserve_relevance_without_biases(name: str, rule: Rule) -> None:
    """What is reported as residual under AttnLRP, because softmax is no linear function, is not there under CP-LRP."""
    tiny = tiny_transformers.built(name, constants=False)
    _, lost, size = explained(tiny, same(rule))
    assert (lost.abs() <= 1e-7 * size).all() and (size > 0).all()
    _, lost, size = explained(tiny, same(rule, "gradient"))
    assert (lost.abs() > 1e-6 * size).all()


@pytest.mark.parametrize("name", tiny_transformers.TINY)
@pytest.mark.parametrize("softmax", ["constant", "gradient"])
def test_models_of_transformers_say_the_same_under_the_rules(name: str, softmax: Softmax) -> None:
    tiny = tiny_transformers.built(name)
    before = {key: (value.clone(), value.requires_grad) for key, value in tiny.model.named_parameters()}
    attributes = {key: set(vars(module)) for key, module in tiny.model.named_modules()}
    logits, _, _ = explained(tiny, same(rules.gamma(), softmax))
    torch.testing.assert_close(logits, tiny.run(*tiny_transformers.inputs()).detach(), rtol=0, atol=1e-12)
    for key, value in tiny.model.named_parameters():
        assert value.grad is None and value.requires_grad == before[key][1] and torch.equal(value, before[key][0])
    for key, module in tiny.model.named_modules():
        assert set(vars(module)) == attributes[key] and not module._forward_hooks and not module._backward_hooks


@pytest.mark.parametrize("name", CAPTIONERS)
def test_rules_on_functions_find_what_the_marks_of_a_captioner_say(name: str) -> None:
    """Two ways to the same relevance: nothing but ε, which marks have at sums too, may tell them apart."""
    model, targets = captioner(name), Targets(captions())
    marks = LRP(CP, epsilon=TINY).attribute(model, batch(), targets)
    ruled = LRP(CP, text=CP, marks=False).attribute(model, batch(), targets)
    torch.testing.assert_close(ruled.regions, marks.regions, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(ruled.words, marks.words, rtol=1e-6, atol=1e-9)
    other = LRP(CP, text=ATTN, marks=False).attribute(model, batch(), targets)
    assert not torch.allclose(other.regions, marks.regions, rtol=1e-2)
    score = marks.words.sum(2) + marks.regions.sum(2) + marks.residual
    torch.testing.assert_close(other.words.sum(2) + other.regions.sum(2) + other.residual, score)


def test_a_model_without_marks_is_explained_by_rules_and_refused_without_any() -> None:
    marked, model = captioner("transformer"), captioner("transformer")
    model.marked = False
    ours = LRP(CP, text=CP).attribute(model, batch(), Targets(captions()))
    theirs = LRP(CP, text=CP, marks=False).attribute(marked, batch(), Targets(captions()))
    torch.testing.assert_close(ours.regions, theirs.regions, rtol=0, atol=0)
    with pytest.raises(UserError, match="know no Transformer: choose attribution=lrp, lrp_cp or lrp_attn"):
        LRP(CP, text=None).attribute(model, batch(), Targets(captions()))


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UserError, match="constant or have their gradient under LRP, not 'cp'"):
        same(rules.epsilon(), "cp")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="needs rules: set `text`"):
        LRP(CP, text=None, marks=False)
