"""Attribution methods work on models of transformers as they work on all others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.models.transformers.tiny import WRITING, photos
from whysaid.attribution.answers import Answers
from whysaid.attribution.gradient.grad_cam import GradCam, GuidedGradCam
from whysaid.attribution.gradient.guided import DeconvNet, GuidedBackprop
from whysaid.attribution.gradient.integrated import IntegratedGradients
from whysaid.attribution.gradient.simple import InputXGradient, Saliency
from whysaid.attribution.gradient.smooth import SmoothGrad
from whysaid.attribution.looking.attention import Attention
from whysaid.attribution.method import Explanation, Method
from whysaid.attribution.occlusion import Occlusion
from whysaid.attribution.targets import Targets
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable
from whysaid.models.transformers.load import Pretrained

Load = Callable[[str], Pretrained]

FAMILIES = (*WRITING, "vilt", "blip_vqa")

METHODS: dict[str, Method] = {
    "saliency": Saliency(),
    "input_x_gradient": InputXGradient(),
    "integrated_gradients": IntegratedGradients(steps=4),
    "smooth_grad": SmoothGrad(draws=3),
    "occlusion": Occlusion(window=8, stride=8),
    "grad_cam": GradCam(),
    "attention": Attention(),
}


def asked(family: str, loaded: Load) -> tuple[Explainable, Targets]:
    """A model, and what is explained of two photos: captions of three words, or answers to questions of two lengths."""
    pretrained = loaded(family)
    model, vocabulary = pretrained.model, pretrained.vocabulary
    tokens = torch.randint(4, len(vocabulary) - 1, (2, 3), generator=torch.Generator().manual_seed(3))
    if family in WRITING:
        return model, Targets(tokens)
    texts = [vocabulary.question(text) for text in ("is the dog walking ?", "how many")]
    questions = torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
    if family == "vilt":
        return model, Answers(questions, torch.tensor([[1, 3], [0, 2]]))
    return model.with_prompt(questions), Targets(tokens, prompt=questions)  # type: ignore[operator]


def scores(model: Explainable, targets: Targets, images: Tensor, embedded: Tensor) -> Tensor:
    """Explained scores (B, T), by the contract alone."""
    reading = model.read(embedded[:, : targets.context_length], model.encode(images))
    return targets.scores(model.head(reading.output[:, targets.places]))


@pytest.fixture(params=FAMILIES)
def case(request: pytest.FixtureRequest, loaded: Load) -> tuple[Explainable, Targets]:
    return asked(request.param, loaded)


@pytest.mark.parametrize("name", METHODS)
def test_gradient_methods_work_unchanged(case: tuple[Explainable, Targets], name: str) -> None:
    model, targets = case
    found = METHODS[name].attribute(model, photos(2), targets)
    words, regions = targets.inputs().shape[1], model.encoder.prefix_tokens + 16
    explained = 2 if isinstance(targets, Answers) else 3
    assert found.regions.shape == (2, explained, regions) and found.words.shape == (2, explained, words)
    assert found.pixels is not None and found.pixels.shape[-2:] == (16, 16)
    assert all(part.isfinite().all() for part in (found.pixels, found.regions, found.words))
    assert found.pixels.abs().sum() > 0


def test_pixel_and_word_gradients_are_autograds_own(case: tuple[Explainable, Targets]) -> None:
    model, targets = case
    images, embedded = photos(2).requires_grad_(), model.embed(targets.inputs()).detach().requires_grad_()
    explained = scores(model, targets, images, embedded)
    found = InputXGradient().attribute(model, photos(2), targets)
    assert found.pixels is not None
    for t in range(explained.shape[1]):
        pixels, words = torch.autograd.grad(explained[:, t].sum(), (images, embedded), retain_graph=True)
        torch.testing.assert_close(found.pixels[:, t], pixels * images.detach())
        torch.testing.assert_close(found.words[:, t], (words * embedded.detach()).sum(-1))


def test_integrated_gradients_add_up_to_the_score(case: tuple[Explainable, Targets]) -> None:
    model, targets = case
    few, many = (IntegratedGradients(steps).attribute(model, 0.2 * photos(2), targets).residual for steps in (8, 256))
    assert many.abs().max() < 0.05 and many.abs().sum() < 0.2 * few.abs().sum() + 1e-3


def test_words_said_later_have_no_part(loaded: Load) -> None:
    for family in WRITING:
        model, targets = asked(family, loaded)
        for name in ("input_x_gradient", "occlusion"):
            words = METHODS[name].attribute(model, photos(2), targets).words
            assert words.triu(1).abs().max() < 1e-12 < words.tril().abs().sum(), (family, name)


def test_padding_of_a_question_has_no_part(loaded: Load) -> None:
    for family in ("vilt", "blip_vqa"):
        model, targets = asked(family, loaded)
        padded = targets.inputs()[1] == 0
        assert padded.any()
        for name in ("input_x_gradient", "integrated_gradients", "occlusion"):
            found: Explanation = METHODS[name].attribute(model, photos(2), targets)
            assert found.words[1][:, padded].abs().max() < 1e-12, (family, name)


@pytest.mark.parametrize("method", [DeconvNet(), GuidedBackprop(), GuidedGradCam()])
def test_methods_that_need_relus_say_that_there_are_none(case: tuple[Explainable, Targets], method: Method) -> None:
    model, targets = case
    with pytest.raises(UserError, match="has no ReLU for DeconvNet or Guided Backprop to act on"):
        method.attribute(model, photos(2), targets)


def test_a_gradient_that_layer_norms_make_zero_says_nothing_of_words(loaded: Load) -> None:
    """Only LayerNorms read the embedded words: a gradient summed over their parts is 0 but for rounding."""
    for family in WRITING:
        model, targets = asked(family, loaded)
        for method in (Saliency(), SmoothGrad(draws=2), GradCam()):
            assert not method.attribute(model, photos(2), targets).words.any()
        assert InputXGradient().attribute(model, photos(2), targets).words.any()
