import numpy as np
import pytest
import torch

from tests.studies.planted import PATCHES, SIDE, Fixed, Planted, group, one_patch
from whysaid.errors import UserError
from whysaid.studies.common.captioned import ObjectMention
from whysaid.studies.faithfulness.sanity import CASCADING, INDEPENDENT, Sanity
from whysaid.studies.faithfulness.study import RANDOM, Curves, Faithfulness

V, SAID, SEEN = 6, 4, 9
"""Size of the vocabulary, the word looked at, and the patch that it rests on."""


def captioner() -> Planted:
    patches = torch.zeros(V, PATCHES)
    patches[SAID, SEEN] = 4.0
    return Planted(torch.zeros(V, V), patches)


def scene():
    """An image that is bright in the one patch and dark elsewhere, and its caption."""
    image = (2 * one_patch(SEEN) - 1).expand(1, 3, SIDE, SIDE).clone()
    return group(image, torch.tensor([[5, SAID, 2]]), [ObjectMention(0, 1, "ball", "ball", True)])


def p_of(brightness: float) -> float:
    return float(torch.tensor([0.0, 0, 0, 0, 4.0 * brightness, 0]).softmax(0)[SAID])


METHODS = {"right": Fixed(pixels=one_patch(SEEN)), "wrong": Fixed(pixels=-one_patch(SEEN))}


def measured(**settings) -> Curves:
    study, words = Faithfulness(METHODS, steps=PATCHES, patch=2, **settings), scene()
    maps = study.maps(captioner(), words)
    (curves,) = study.measure(captioner(), words, maps, torch.Generator().manual_seed(0))
    return curves


def test_curves_of_the_right_map_and_of_the_worst():
    curves, mean = measured(), (2 - PATCHES) / PATCHES
    there, gone = p_of(1), p_of(mean)
    assert there > 0.9 and gone < 0.1
    np.testing.assert_allclose(curves.deletion["right"], [there] + [gone] * PATCHES, rtol=1e-5)
    np.testing.assert_allclose(curves.deletion["wrong"], [there] * PATCHES + [gone], rtol=1e-5)
    np.testing.assert_allclose(curves.insertion["right"], [gone] + [there] * PATCHES, rtol=1e-5)
    np.testing.assert_allclose(curves.insertion["wrong"], [gone] * PATCHES + [there], rtol=1e-5)
    assert curves.deletion[RANDOM][0] == curves.deletion["right"][0]


def test_how_many_images_are_seen_at_once_does_not_matter():
    single, many = measured(batch_size=1), measured(batch_size=100)
    for name in METHODS:
        np.testing.assert_allclose(single.deletion[name], many.deletion[name], rtol=1e-6)


def test_the_table():
    study = Faithfulness(METHODS, steps=PATCHES, patch=2)
    words = [measured()] * 3
    rows = {row["method"]: row for row in study._outcome(words, None, "test").rows}
    assert list(rows) == ["right", "wrong", RANDOM]
    mean = (2 - PATCHES) / PATCHES
    area = (PATCHES - 0.5) / PATCHES * p_of(mean) + 0.5 / PATCHES * p_of(1)
    assert rows["right"]["deletion"] == pytest.approx(area, rel=1e-5)
    assert rows["right"]["insertion"] == pytest.approx(rows["wrong"]["deletion"])
    assert "cascading" not in rows["right"] and rows[RANDOM]["deletion_p"] is None


class Weights:
    """A method whose map is made of the model's own weights, of one layer alone."""

    def __init__(self, layer: str):
        self.layer = layer

    def attribute(self, model, batch, targets):
        weights = model.get_submodule(self.layer).weight.detach().flatten()[: SIDE * SIDE]
        return Fixed(pixels=weights.view(SIDE, SIDE)).attribute(model, batch, targets)


def test_a_map_is_like_itself_until_its_layer_is_shuffled():
    torch.manual_seed(0)
    model = Planted(torch.randn(V, V), torch.randn(V, PATCHES))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    methods = {"looks": Weights("looks"), "blind": Fixed(pixels=one_patch(SEEN))}
    sanity = Sanity(words=1, stages=9, noise=0.1, draws=2)
    study = Faithfulness(methods, sanity=sanity)
    kept = [(scene(), study.maps(model, scene()))]
    checked = sanity.check(study.maps, model, kept)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }
    assert checked.layers == [["vocabulary_layer"], ["read_words"], ["embedding"], ["looks"]]
    cascading, alone = checked.similar[CASCADING], checked.similar[INDEPENDENT]
    np.testing.assert_allclose(cascading["blind"].spearman, 1)
    np.testing.assert_allclose(alone["looks"].spearman[:3], 1)
    np.testing.assert_allclose(cascading["looks"].ssim[:3], 1, rtol=1e-5)
    assert abs(alone["looks"].spearman[3, 0]) < 0.6 and cascading["looks"].ssim[3, 0] < 0.9
    assert checked.row("blind")["sensitivity"] == 0 and checked.row("blind")["cascading"] == pytest.approx(1)
    assert set(checked.row(RANDOM)) == set(checked.row("blind")) and set(checked.row(RANDOM).values()) == {None}


def test_sensitivity_is_of_noise_within_reach():
    seen_images = []

    class Brightness:
        def attribute(self, model, batch, targets):
            seen_images.append(batch.images)
            return Fixed(pixels=batch.images[0].mean(0)).attribute(model, batch, targets)

    study = Faithfulness({"brightness": Brightness()}, sanity=Sanity(stages=1, noise=0.1, draws=3))
    words, model = scene(), captioner()
    kept = [(words, study.maps(model, words))]
    seen_images.clear()
    (value,) = study.sanity.check(study.maps, model, kept).sensitive["brightness"]
    noises = [images - words.images for images in seen_images[-3:]]
    assert all(0.15 < float(noise.abs().max()) <= 0.2 for noise in noises)  # ± 0.1 of [0, 1] is ± 0.2 of [−1, 1]
    heat = words.images[0].mean(0)
    assert value == pytest.approx(max(float(n[0].mean(0).norm() / heat.norm()) for n in noises), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "study.steps=0"),
        ({"against": "nobody"}, "study.against=nobody is not among study.methods: right, wrong or random"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        Faithfulness(METHODS, **settings)


def test_sanity_settings_that_cannot_be():
    with pytest.raises(UserError, match="noise > 0"):
        Sanity(noise=0)
