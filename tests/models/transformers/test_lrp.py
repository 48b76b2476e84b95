"""LRP through whole models of transformers, as a user asks for it."""

import copy
from collections.abc import Callable
from itertools import chain

import pytest
import torch
from torch import Tensor, nn

from tests.attribution.tiny_transformers import CONSTANTS
from tests.models.transformers.tiny import SAVE, SIDE, photos
from tests.models.transformers.tiny_families import DIALOGUES
from whysaid.assemble.methods import named_method
from whysaid.attribution.answers import Answers
from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.targets import Targets
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable
from whysaid.models.transformers.idefics3 import MarkedTiles
from whysaid.models.transformers.load import Pretrained
from whysaid.models.transformers.pretrained import PretrainedCaptioner
from whysaid.models.transformers.sized_vilt import SizedVilt, ViltPatches
from whysaid.models.transformers.vision_language import VisionLanguage

Load = Callable[[str], Pretrained]

TINY = 1e-13
LEARNT = ("newline", "query_tokens", "row_embeddings", "column_embeddings", "pos_idx_to_embed")
"""The same of what vision-language models have learnt, and put beside what depends on the image."""

CP = LRP(
    composite=Composite(rules.epsilon(), rules.epsilon(), rules.epsilon()),
    tower=Composite(*[rules.gamma(epsilon=TINY)] * 3),
    text=Composite(*[rules.epsilon(TINY)] * 3),
)


def words(number: int, length: int) -> Tensor:
    return torch.randint(4, 30, (number, length), generator=torch.Generator().manual_seed(2))


def subject(family: str, loaded: Load, number: int = 2) -> tuple[Explainable, Targets]:
    """A model, and what it is asked about each of the images."""
    model = loaded(family).model
    if isinstance(model, VisionLanguage):
        asked = model.asked(loaded(family).vocabulary, prompt="is it a dog ?")
        return asked, Targets(words(number, 4), prompt=asked.prompt.expand(number, -1))
    if family == "vilt":
        return model, Answers(words(number, 4))
    if family == "blip_vqa":
        assert isinstance(model, PretrainedCaptioner)
        return model.with_prompt(words(number, 3)), Targets(words(number, 4), prompt=words(number, 3))
    return model, Targets(words(number, 4))


@pytest.mark.parametrize("family", [*SAVE, *DIALOGUES])
def test_pixels_and_words_sum_to_the_score_without_biases(family: str, loaded: Load) -> None:
    model, targets = subject(family, loaded)
    model = copy.deepcopy(model)
    for name, parameter in chain(model.named_parameters(), model.named_buffers()):
        if any(part in name for part in (*CONSTANTS, *LEARNT)):
            nn.init.zeros_(parameter)
    if isinstance(model.encoder, MarkedTiles):
        ids = model.encoder.ids(SIDE, SIDE)
        model.embedding.weight.data[ids[ids != model.encoder.image_token]] = 0
    explanation = CP.attribute(model, photos(2), targets)
    assert explanation.pixels is not None
    size = explanation.pixels.abs().flatten(2).sum(2) + explanation.words.abs().sum(2)
    assert (explanation.residual.abs() <= 1e-7 * size).all() and (size > 0).all()


@pytest.mark.parametrize("family", [*SAVE, *DIALOGUES])
@pytest.mark.parametrize("method", ["lrp", "lrp_cp", "lrp_attn"])
def test_the_residual_closes_the_sum_with_biases(family: str, method: str, loaded: Load) -> None:
    model, targets = subject(family, loaded)
    explanation = named_method(method).attribute(model, photos(2), targets)
    assert explanation.pixels is not None
    with torch.no_grad():
        output = model.read(model.embed(targets.inputs()), model.encode(photos(2))).output
        scores = targets.scores(model.head(output[:, targets.places]))
    parts = explanation.pixels.flatten(2).sum(2) + explanation.words.sum(2)
    torch.testing.assert_close(parts + explanation.residual, scores)
    for part in (explanation.pixels, explanation.words, explanation.regions):
        assert part.isfinite().all() and (part.flatten(2).abs().sum(2) > 0).all()


@pytest.mark.parametrize("constants", [False, True])
def test_relevance_goes_through_the_stem_of_a_sized_vilt(constants: bool) -> None:
    torch.manual_seed(0)
    patches = ViltPatches(SIDE, 4, dim=8, initial_std=0.3, stem=(6, 8))
    model = SizedVilt(patches, 30, 5, hidden_dim=16, layers=2, heads=2, initial_std=0.3).double().eval()
    for name, values in chain(model.named_parameters(), model.named_buffers()):
        if name.endswith("running_mean") or (not constants and any(part in name for part in CONSTANTS)):
            nn.init.zeros_(values)
    questions = Answers(words(2, 4))
    explanation = CP.attribute(model, photos(2), questions)
    assert explanation.pixels is not None
    parts = explanation.pixels.flatten(2).sum(2) + explanation.words.sum(2)
    with torch.no_grad():
        scores = questions.scores(model(questions.tokens, model.encode(photos(2))).unsqueeze(1))
    torch.testing.assert_close(parts + explanation.residual, scores)
    size = explanation.pixels.abs().flatten(2).sum(2) + explanation.words.abs().sum(2)
    assert constants or (explanation.residual.abs() <= 1e-7 * size).all()
    assert (explanation.pixels.flatten(2).abs().sum(2) > 0).all()


@pytest.mark.parametrize("family", [*SAVE, *DIALOGUES])
def test_images_are_explained_together_as_each_alone(family: str, loaded: Load) -> None:
    if family == "blip_vqa":
        pytest.skip("its prompt belongs to a batch")
    model, targets = subject(family, loaded)
    together = CP.attribute(model, photos(2), targets)
    of_one = Targets(targets.tokens[1:], prompt=targets.prompt[1:]) if targets.prompt is not None else None
    alone = CP.attribute(model, photos(2)[1:], of_one or type(targets)(targets.tokens[1:]))
    torch.testing.assert_close(together.pixels[1:], alone.pixels)  # type: ignore[index]
    torch.testing.assert_close(together.words[1:], alone.words)


def test_the_default_in_python_is_that_of_the_command_line(loaded: Load) -> None:
    model, targets = subject("blip", loaded)
    ours, theirs = (method.attribute(model, photos(2), targets) for method in (LRP(), named_method("lrp")))
    torch.testing.assert_close(ours.pixels, theirs.pixels)
    torch.testing.assert_close(ours.words, theirs.words)


def test_rules_for_convolutions_and_an_lstm_are_refused(loaded: Load) -> None:
    model, targets = subject("blip", loaded)
    with pytest.raises(UserError, match="know no Blip: choose attribution=lrp, lrp_cp or lrp_attn"):
        named_method("lrp_gamma").attribute(model, photos(2), targets)
