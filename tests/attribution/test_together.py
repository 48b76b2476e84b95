"""Methods beside LRP share their passes, and say together what each says alone."""

import gc
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.attribution.sighted import METHODS, sighted
from tests.attribution.tiny import captions, lrp, photos
from tests.running import composed
from whysaid.attribution.gradient.grad_cam import GradCam, GuidedGradCam
from whysaid.attribution.gradient.guided import DeconvNet, GuidedBackprop
from whysaid.attribution.gradient.shared_passes import SharedPasses, shared_passes
from whysaid.attribution.gradient.simple import Saliency
from whysaid.attribution.looking.gradient_attention import GradientAttention
from whysaid.attribution.looking.rollout import AttentionRollout
from whysaid.attribution.looking.sentinel import Sentinel
from whysaid.attribution.method import Explanation, Method, as_shown, speaks_against
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all, attribute_fitting, chosen
from whysaid.errors import DoesNotApplyError, UserError

LAYERS = 2
"""Convolutions of the small VGG."""

FOR_TRANSFORMERS = ("attention_rollout", "gradient_attention", "attention_grad_cam")


class Convolutions(TorchDispatchMode):
    """Counts those that run, forwards and (transposed) backwards."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.calls["backward" if args[6] else "forward"] += 1
        if func is torch.ops.aten.convolution_backward.default:
            self.calls["backward"] += 1
        return func(*args, **(kwargs or {}))


def counted(methods: dict[str, Method], words: list[int] | None = None) -> tuple[int, int]:
    """How many forwards and backwards of the whole encoder the methods take."""
    model, side = sighted("gridtd", "vgg")
    with Convolutions() as convolutions:
        attribute_all(methods, model, photos(side), Targets(captions(), words))
    return convolutions.calls["forward"] // LAYERS, convolutions.calls["backward"] // LAYERS


def test_products_may_be_rounded() -> None:
    """In float32 alone, and only where all methods that share the passes agree."""
    model, side = sighted("gridtd", "vgg")
    four = Saliency, DeconvNet, GuidedBackprop, GuidedGradCam
    exact, rounded = ({kind.__name__: kind(dtype=name) for kind in four} for name in ("float32", "bfloat16"))
    mixed = rounded | {"Saliency": Saliency(dtype="float32"), "GradCam": GradCam()}

    def maps(methods: dict[str, Method], dtype: torch.dtype) -> dict[str, Tensor]:
        explanations = attribute_all(methods, model.to(dtype), photos(side).to(dtype), Targets(captions()))
        return {name: explanations[name].pixels for name in exact}  # type: ignore[misc]

    for same in ((exact, rounded, torch.float64), (exact, mixed, torch.float32)):
        torch.testing.assert_close(maps(same[0], same[2]), maps(same[1], same[2]), rtol=0, atol=0)
    near = maps(rounded | {"GradCam": GradCam()}, torch.float32)
    for name, wanted in maps(exact, torch.float32).items():
        assert 0 < (near[name] - wanted).norm() <= 0.02 * wanted.norm()
    with pytest.raises(UserError, match="not float16"):
        Saliency(dtype="float16").attribute(model, photos(side), Targets(captions()))


def test_one_forward_and_a_backward_for_each_rule() -> None:
    four = {"s": Saliency(), "d": DeconvNet(), "g": GuidedBackprop(), "c": GuidedGradCam()}
    assert counted(four) == (1, 3)
    assert counted({"g": GuidedBackprop(), "c": GuidedGradCam(), "cam": GradCam()}) == (1, 1)
    assert counted({"cam": GradCam()}) == (1, 0)
    assert counted({"attention": METHODS["attention"], "sentinel": METHODS["sentinel"]}) == (1, 0)
    assert counted({"s": Saliency(chunk=2), "d": DeconvNet()}) == (1, 4)
    # three draws of one word at once, and a forward of the photo itself, which says what is explained
    assert counted({"smooth": METHODS["smooth_grad"]}, [1]) == (2, 1)
    assert counted({"smooth": METHODS["smooth_grad"], "s": Saliency()}, [1]) == (2, 2)


def test_together_is_as_alone() -> None:
    model, side = sighted("adaptive", "resnet")
    methods = {"lrp": lrp(), **METHODS, "last": lrp()}
    together = attribute_all(methods, model, photos(side), Targets(captions()))
    assert list(together) == list(methods)
    for name, method in methods.items():
        alone = method.attribute(model, photos(side), Targets(captions()))
        torch.testing.assert_close(vars(together[name]), vars(alone), rtol=1e-9, atol=1e-12)


def test_no_memory_is_held_until_the_garbage_collector_comes() -> None:
    model, side = sighted("gridtd", "vgg")
    gc.disable()
    try:
        with shared_passes(model, photos(side), Targets(captions()), 4) as passes:
            GuidedGradCam().explain(passes)
            images = weakref.ref(passes.encoder_pass.images)
        del passes
        assert images() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("first", METHODS)
def test_no_order_of_methods_matters(first: str) -> None:
    model, side = sighted("gridtd", "scenes_cnn")
    explanations = attribute_all({first: METHODS[first], **METHODS}, model, photos(side), Targets(captions()))
    alone = METHODS["guided_grad_cam"].attribute(model, photos(side), Targets(captions()))
    assert next(iter(explanations)) == first
    torch.testing.assert_close(vars(explanations["guided_grad_cam"]), vars(alone), rtol=1e-9, atol=1e-12)


def test_memory_that_does_not_suffice_halves_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from whysaid.attribution.gradient import shared_passes

    model, side = sighted("gridtd", "vgg")
    expected = Saliency().attribute(model, photos(side), Targets(captions()))
    plain = shared_passes.batched_gradient

    def small(output: Tensor, leaves: list[Tensor], seeds: Tensor) -> tuple[Tensor, ...]:
        if len(seeds) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(output, leaves, seeds)

    monkeypatch.setattr(shared_passes, "batched_gradient", small)
    most = 1
    explanation = Saliency(chunk=4).attribute(model, photos(side), Targets(captions()))
    torch.testing.assert_close(vars(explanation), vars(expected), rtol=1e-9, atol=1e-12)
    most = 0
    with pytest.raises(UserError, match="too little GPU memory to explain one word"):
        Saliency().attribute(model, photos(side), Targets(captions()))


@pytest.mark.parametrize("wrong", ["lrp", "guided_backprop"])
def test_an_error_names_the_method_that_it_comes_from(wrong: str) -> None:
    class Without(Saliency):
        def explain(self, passes: SharedPasses) -> Explanation:
            raise UserError("it does not apply")

    class Other:
        def attribute(self, *_: Any) -> Explanation:
            raise UserError("it does not apply")

    model, side = sighted("soft", "vgg")
    methods = {"saliency": Saliency(), wrong: Other() if wrong == "lrp" else Without(), "last": lrp()}
    with pytest.raises(UserError, match=f"^{wrong}: it does not apply$"):
        attribute_all(methods, model, photos(side), Targets(captions()))


def several(**more: Method) -> dict[str, Method]:
    return {"lrp": lrp(), "rollout": AttentionRollout(), "saliency": Saliency(), "chefer": GradientAttention(), **more}


def test_methods_that_cannot_explain_a_model_are_left_out_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    model, side = sighted("aoa", "vgg")
    methods = several(sentinel=Sentinel())
    explanations = attribute_fitting(methods, model, photos(side), Targets(captions()))
    assert list(explanations) == list(methods) == ["lrp", "saliency"]
    (line,) = caplog.messages
    assert line == (
        "left out, since they cannot explain this model: rollout, chefer (AoA is no transformer, whose attention leads "
        "from layer to layer); sentinel (AoA has no sentinel)"
    )
    expected = attribute_all(methods, model, photos(side), Targets(captions()))
    for name, explanation in explanations.items():
        torch.testing.assert_close(vars(explanation), vars(expected[name]))
    attribute_fitting(methods, model, photos(side), Targets(captions()))
    assert len(caplog.messages) == 1, "what was left out once is not tried again"


def test_a_method_that_is_asked_for_is_not_left_out() -> None:
    model, side = sighted("aoa", "vgg")
    given = model, photos(side), Targets(captions())
    for methods, required in (({"rollout": AttentionRollout()}, ()), (several(), ["rollout", "lrp"])):
        with pytest.raises(DoesNotApplyError, match=r"^rollout: AoA is no transformer, .* choose another attribution"):
            attribute_fitting(methods, *given, required)
    with pytest.raises(DoesNotApplyError, match=r"^rollout: AoA is no transformer,"):
        attribute_all(several(), *given)


def test_a_method_that_fails_is_not_left_out() -> None:
    """A chunk of 0 is not a matter of the model."""
    model, side = sighted("aoa", "vgg")
    with pytest.raises(UserError, match="chunk is the number of words explained at once"):
        attribute_fitting(several(chefer=GradientAttention(0)), model, photos(side), Targets(captions()))


def test_methods_whose_maps_speak_against_nothing_say_so() -> None:
    """The maps of all others hold negative numbers here; those of a gradient do too, whose sign says nothing."""
    without = {"deconvnet", "guided_backprop", "guided_grad_cam", "smooth_grad"}
    model, side = sighted("gridtd", "vgg")
    methods = {"lrp": lrp(), **METHODS}
    explanations = attribute_all(methods, model, photos(side), Targets(captions()))
    for name, method in methods.items():
        pixels = explanations[name].pixels
        assert pixels is not None
        negative = bool((pixels.sum(2) < 0).any())
        assert speaks_against(method) == (negative and name not in without), name
        shown = as_shown(method, explanations[name])
        assert shown.pixels is not None and (speaks_against(method) or bool((shown.pixels >= 0).all())), name


def test_the_group_gives_one_method_or_many(tmp_path: Path) -> None:
    paths = "ckpt=any", "image=any"
    single = chosen(composed("explain", tmp_path, *paths, "attribution=grad_cam").attribution, "grad_cam")
    assert {name: type(method) for name, method in single.items()} == {"grad_cam": GradCam}
    every = chosen(composed("explain", tmp_path, *paths, "attribution=all").attribution, "all")
    assert set(every) == {"lrp", *METHODS, *FOR_TRANSFORMERS} - {"sentinel"}
    config = composed("explain", tmp_path, *paths, "attribution=all", "attribution.occlusion=null")
    assert set(chosen(config.attribution, "all")) == set(every) - {"occlusion"}
    more = composed("explain", tmp_path, *paths, "attribution=all", "+attribution@attribution.sentinel=sentinel")
    assert set(chosen(more.attribution, "all")) == {*every, "sentinel"}
    assert chosen(None, "") == {} == chosen(OmegaConf.create({}), "")
