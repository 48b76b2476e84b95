"""One gradient for all uses of a weight is the sum of the gradients of each."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor, nn

from tests.models.test_captioners import BUILD, B, features, tokens
from whysaid.models.captioner import Captioner
from whysaid.models.step_linear import StepLinear, gathered
from whysaid.models.word_captioner import Features


@pytest.fixture(params=[name for name in BUILD if name != "transformer"])
def captioner(request: pytest.FixtureRequest) -> Captioner:
    torch.manual_seed(0)
    built = BUILD[request.param]().train()
    for layer in built.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return built


def gradients(captioner: Captioner, context: Callable[[nn.Module], AbstractContextManager[None]]) -> dict[str, Tensor]:
    captioner.zero_grad()
    image = features(captioner) if captioner.embedding.weight.dtype == torch.float64 else _single(captioner)
    with context(captioner):
        reading = captioner.read(captioner.embed(tokens(2 * B, 5)), image)
    (captioner.head(reading.output).sin().sum() + reading.attention.square().sum()).backward()
    return {name: p.grad.clone() for name, p in captioner.named_parameters() if p.grad is not None}


def _single(captioner: Captioner) -> Features:
    return captioner.project(torch.rand(B, 6, 5, generator=torch.Generator().manual_seed(2)))


def plain(captioner: nn.Module) -> AbstractContextManager[None]:
    return nullcontext()


def test_the_gradients_are_those_of_autograd(captioner: Captioner) -> None:
    captioner.double()
    expected = gradients(captioner, plain)
    for _ in range(2):  # nothing of the first backward is left in the second
        torch.testing.assert_close(gradients(captioner, gathered), expected, rtol=1e-12, atol=1e-12)


def test_training_reads_so_and_evaluation_does_not(captioner: Captioner) -> None:
    def kinds() -> set[str]:
        """The names of all functions that a backward through five words would call."""
        waiting, known = [captioner.unroll(tokens(B, 5), _single(captioner)).logits.grad_fn], set()
        while waiting:
            node = waiting.pop()
            if node is not None and node not in known:
                known.add(node)
                waiting += [following for following, _ in node.next_functions]
        return {node.name() for node in known}

    assert {"_UseBackward", "_SharedBackward"} <= kinds()
    captioner.eval()
    assert not {"_UseBackward", "_SharedBackward"} & kinds()


def test_bfloat16_is_as_near_as_autograds_own(captioner: Captioner) -> None:
    exact = gradients(captioner, plain)

    def error(context: Callable[[nn.Module], AbstractContextManager[None]]) -> dict[str, float]:
        with torch.autocast("cpu", torch.bfloat16):
            rounded = gradients(captioner, context)
        return {
            name: float((rounded[name] - exact[name]).norm() / exact[name].norm().clamp(min=1e-3)) for name in exact
        }

    own, ours = error(plain), error(gathered)
    for name in exact:
        assert ours[name] < max(1.5 * own[name], 0.02), name


def test_evaluation_no_gradient_and_frozen_weights_are_left_alone() -> None:
    layer = StepLinear(3, 2)
    for context in (torch.no_grad(), nullcontext()):
        with context, gathered(layer.eval()):
            assert layer.shared is None
    layer.train()
    with torch.no_grad(), gathered(layer):
        assert layer.shared is None
    layer.requires_grad_(False)
    with gathered(layer):
        assert layer.shared is None


def test_an_error_leaves_the_layer_as_it_was() -> None:
    layer = StepLinear(3, 2)
    with pytest.raises(ValueError, match="inside"), gathered(layer):
        assert layer.shared is not None
        raise ValueError("inside")
    assert layer.shared is None


def test_a_weight_that_is_not_used_has_no_gradient() -> None:
    layer = StepLinear(3, 2)
    with gathered(layer):
        pass
    assert layer.weight.grad is None
