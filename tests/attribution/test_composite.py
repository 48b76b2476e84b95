"""Rules on whole encoders."""

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.attribution.tiny import ENCODERS, Stack, photos, without_biases
from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.rules import Rule
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder

TINY = 1e-13
CONSERVING = {
    "epsilon": rules.epsilon(TINY),
    "alpha1_beta0": rules.alpha_beta(epsilon=TINY),
    "alpha2_beta1": rules.alpha_beta(2, 1, epsilon=TINY),
    "gamma": rules.gamma(epsilon=TINY),
}


def same(rule: Rule) -> Composite:
    return Composite(rule, rule, rule)


def built(name: str) -> tuple[Encoder, Tensor]:
    torch.manual_seed(0)
    make, side = ENCODERS[name]
    return make().double().eval(), photos(side).requires_grad_()


def relevance(composite: Composite, encoder: Encoder, images: Tensor) -> tuple[Tensor, Tensor]:
    """Regions, of which all entries are explained at once, and the relevance of the pixels."""
    with composite.applied(encoder):
        values, _ = encoder(images)
    return values.detach(), torch.autograd.grad(values.sum(), images)[0]


@pytest.mark.parametrize("name", ENCODERS)
def test_rules_leave_the_output_as_it_is(name: str) -> None:
    encoder, images = built(name)
    values, _ = relevance(same(rules.alpha_beta()), encoder, images)
    torch.testing.assert_close(values, encoder(images).values.detach())


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("rule", ["epsilon", "alpha1_beta0", "gamma"])
def test_relevance_is_conserved_without_biases(name: str, rule: str) -> None:
    encoder, images = built(name)
    without_biases(encoder)
    values, heat = relevance(same(CONSERVING[rule]), encoder, images)
    total, size = heat.flatten(1).sum(1), heat.abs().flatten(1).sum(1)
    assert ((total - values.flatten(1).sum(1)).abs() <= 1e-8 * size).all() and (size > 0).all()


def test_epsilon_zero_is_gradient_times_input() -> None:
    """In a network of ReLUs that is all an ε-rule does, biases or not (Ancona et al. 2018)."""
    encoder, images = built("resnet")
    _, heat = relevance(same(rules.epsilon(TINY)), encoder, images)
    (gradient,) = torch.autograd.grad(encoder(images).values.sum(), images)
    torch.testing.assert_close(heat, gradient * images.detach(), rtol=1e-7, atol=1e-9)


def test_batch_norm_is_folded() -> None:
    """A convolution with BatchNorm is explained as the one convolution that they are."""
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 4, 3, padding=1).double(), nn.BatchNorm2d(4).double()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(tensor, 0.5, 1.5)  # type: ignore[arg-type]
    folded = nn.utils.fusion.fuse_conv_bn_eval(convolution.eval(), norm.eval())
    tail = nn.Conv2d(4, 2, 3).double()
    images = photos(6).requires_grad_()
    for rule in (rules.epsilon(0.1), rules.alpha_beta(2, 1), rules.gamma()):
        apart = relevance(same(rule), Stack(2, convolution, norm, nn.ReLU(), tail).eval(), images)
        joined = relevance(same(rule), Stack(2, folded, nn.ReLU(), tail).eval(), images)
        torch.testing.assert_close(apart, joined)


def test_winner_takes_all_and_sums_share_in_proportion() -> None:
    class Split(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.max_pool2d(x, 2) + 2 * F.avg_pool2d(x, 2)

    identity = nn.Conv2d(3, 3, 1, bias=False).double()
    nn.init.dirac_(identity.weight)
    images = photos(2, 1).requires_grad_()
    _, heat = relevance(same(rules.epsilon(TINY)), Stack(3, identity, Split()), images)
    x = images.detach()
    winner = x == x.amax((2, 3), keepdim=True)
    torch.testing.assert_close(heat, x * winner + 2 * x / 4)


def test_relu6_is_an_identity_above_six_too() -> None:
    identity = nn.Conv2d(3, 3, 1, bias=False).double()
    nn.init.dirac_(identity.weight)
    images = (10 * photos(4)).requires_grad_()
    for activation in (nn.ReLU6(inplace=True), nn.Hardtanh(0, 6)):
        values, heat = relevance(same(rules.epsilon(TINY)), Stack(3, identity, activation), images)
        assert (values == 6).any()
        torch.testing.assert_close(heat.flatten(2).transpose(1, 2), values)


def test_relu6_after_a_sum_is_an_identity_too() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu6(x + x)

    identity = nn.Conv2d(3, 3, 1, bias=False).double()
    nn.init.dirac_(identity.weight)
    values, heat = relevance(same(rules.epsilon(TINY)), Stack(3, identity, Sum()), (10 * photos(4)).requires_grad_())
    torch.testing.assert_close(heat.flatten(2).transpose(1, 2), values)


def test_batch_norm_behind_an_activation_is_not_folded() -> None:
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 4, 3, bias=False).double(), nn.BatchNorm2d(4).double()
    for tensor in (norm.weight, norm.bias):
        nn.init.uniform_(tensor, 0.5, 1.5)
    tail, images = nn.Conv2d(4, 2, 3, bias=False).double(), photos(6).requires_grad_()
    encoder = Stack(2, convolution, nn.ReLU(), norm, tail).eval()
    values, heat = relevance(same(rules.epsilon(TINY)), encoder, images)
    (gradient,) = torch.autograd.grad(encoder(images).values.sum(), images)
    torch.testing.assert_close(values, encoder(images).values.detach())
    torch.testing.assert_close(heat, gradient * images.detach(), rtol=1e-7, atol=1e-9)


def test_inplace_sums_do_not_spoil_what_came_before() -> None:
    class Block(nn.Module):
        def __init__(self, inplace: bool):
            super().__init__()
            self.inplace = inplace
            torch.manual_seed(0)
            self.convolution = nn.Conv2d(3, 3, 1).double()

        def forward(self, x: Tensor) -> Tensor:
            y = self.convolution(x)
            if self.inplace:
                y += x
                return y
            return y + x

    head, images = nn.Conv2d(3, 3, 1).double(), photos(4).requires_grad_()
    apart, within = (Stack(3, head, Block(inplace)) for inplace in (False, True))
    rule = rules.epsilon(0.1)
    torch.testing.assert_close(relevance(same(rule), apart, images), relevance(same(rule), within, images))


def test_inplace_activations_do_not_spoil_what_came_before() -> None:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3).double(), nn.Conv2d(4, 2, 3).double()
    images = photos(6).requires_grad_()
    apart, within = (Stack(2, layers[0], nn.ReLU(inplace=inplace), layers[1]) for inplace in (False, True))
    rule = rules.alpha_beta(2, 1)
    torch.testing.assert_close(relevance(same(rule), apart, images), relevance(same(rule), within, images))


def test_only_the_first_layer_follows_the_first_rule() -> None:
    """Flat in a first 1 × 1 convolution spreads evenly over the channels what the rest gave to each place."""
    encoder, images = built("scenes_cnn")
    without_biases(encoder)
    plain = relevance(Composite(CONSERVING["epsilon"], *[CONSERVING["alpha1_beta0"]] * 2), encoder, images)[1]
    flat = relevance(Composite(rules.flat(TINY), *[CONSERVING["alpha1_beta0"]] * 2), encoder, images)[1]
    torch.testing.assert_close(flat.flatten(1).sum(1), plain.flatten(1).sum(1))
    torch.testing.assert_close(flat[:, 0], flat[:, 1])
    assert not torch.allclose(plain[:, 0], plain[:, 1])


def test_the_box_rule_takes_its_bounds_from_the_encoder() -> None:
    encoder, images = built("vgg")
    pixels = encoder.preprocessing.inverse(images.detach())
    bounded = ((pixels - 0.5) / 0.25).requires_grad_()
    inner = rules.alpha_beta()
    heat = relevance(Composite(rules.z_box, inner, inner), encoder, bounded)[1]
    expected = relevance(Composite(rules.z_box(encoder.preprocessing), inner, inner), encoder, bounded)[1]
    torch.testing.assert_close(heat, expected, rtol=0, atol=0)


def state(module: nn.Module) -> list[tuple[str, dict[str, Any]]]:
    """Everything that could be hung on a module or any module in it."""
    kept = [(name, dict(part.__dict__)) for name, part in module.named_modules()]
    return [(name, {key: dict(v) if isinstance(v, dict) else v for key, v in values.items()}) for name, values in kept]


@pytest.mark.parametrize("name", ENCODERS)
def test_nothing_is_left_on_the_modules(name: str) -> None:
    encoder, images = built(name)
    before, plain = state(encoder), torch.autograd.grad(encoder(images).values.sum(), images)[0]
    relevance(same(rules.alpha_beta()), encoder, images)
    with pytest.raises(RuntimeError, match="channels"), same(rules.alpha_beta()).applied(encoder):
        encoder(torch.zeros(1, 2, 32, 32, dtype=torch.float64))
    assert state(encoder) == before
    assert torch.equal(torch.autograd.grad(encoder(images).values.sum(), images)[0], plain)


def test_no_memory_is_held_until_the_garbage_collector_comes() -> None:
    encoder, images = built("vgg")
    gc.disable()
    try:
        with same(rules.alpha_beta()).applied(encoder) as working:
            values, _ = encoder(images)
        torch.autograd.grad(values.sum(), images)
        layer = weakref.ref(working.layers[0])
        del working, values
        assert layer() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("rule", [rules.flat(), rules.w_square()])
def test_rules_that_replace_the_input_are_for_first_layers(rule: Rule) -> None:
    with pytest.raises(UserError, match="first"):
        Composite(rules.epsilon(), rule, rules.epsilon())


def test_padding_in_words_is_refused_by_name() -> None:
    encoder = Stack(4, nn.Conv2d(3, 4, 3, padding="same").double())
    with pytest.raises(UserError, match=r"features\.0"):
        relevance(same(rules.epsilon()), encoder, photos(4).requires_grad_())


def test_valid_is_a_name_for_no_padding() -> None:
    named, none = (nn.Conv2d(3, 4, 3, padding=padding).double() for padding in ("valid", 0))
    named.load_state_dict(none.state_dict())
    heat = [relevance(same(rules.epsilon()), Stack(4, c), photos(4).requires_grad_()) for c in (named, none)]
    torch.testing.assert_close(heat[0], heat[1])


def test_the_box_rule_is_for_images() -> None:
    class Flat(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)

    encoder = Stack(4, Flat(), nn.Linear(48, 4).double(), nn.Unflatten(1, (4, 1, 1)))
    inner = rules.epsilon()
    assert relevance(same(inner), encoder, photos(4).requires_grad_())[1].abs().sum() > 0
    with pytest.raises(UserError, match="first layer is a convolution"):
        relevance(Composite(rules.z_box, inner, inner), encoder, photos(4).requires_grad_())


def test_products_may_be_rounded() -> None:
    """In float32 alone: forward values stay to the bit, maps keep to a hundredth; float64 is what oracles are in."""
    exact, rounded = (Composite(*[rules.alpha_beta()] * 2, rules.epsilon(), dtype) for dtype in (None, "bfloat16"))
    for encoder, images in map(built, ("vgg", "resnet")):
        torch.testing.assert_close(
            relevance(rounded, encoder, images), relevance(exact, encoder, images), rtol=0, atol=0
        )
        encoder, images = encoder.float(), images.detach().float().requires_grad_()
        (values, wanted), (same_values, heat) = (
            relevance(composite, encoder, images) for composite in (exact, rounded)
        )
        torch.testing.assert_close(same_values, values, rtol=0, atol=0)
        assert 0 < (heat - wanted).norm() <= 0.01 * wanted.norm()


def test_products_of_another_kind() -> None:
    with pytest.raises(UserError, match="not int8"):
        Composite(rules.flat(), rules.epsilon(), rules.epsilon(), "int8")
