"""The probe that tells which objects a picture shows."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from whysaid.attribution.support.evidence import LOG_P, PRESENCE
from whysaid.attribution.support.logistic import Logistic
from whysaid.attribution.support.presence import Presence, fit_presence, whole_picture
from whysaid.attribution.support.support import Support, read_support
from whysaid.attribution.support.words import ObjectSupport
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.metrics.auc import auc
from whysaid.models.word_captioner import Features

CATEGORIES = ("ball", "tree")


def seen(values: torch.Tensor, mask: torch.Tensor | None = None) -> Features:
    return Features(values, values, values[:, 0], mask)


def test_regions_that_are_not_real_do_not_count() -> None:
    values = torch.randn(2, 5, 3)
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    pooled = whole_picture(seen(values, mask))
    assert pooled is not None
    torch.testing.assert_close(pooled[0], torch.cat([values[0, :3].mean(0), values[0, :3].amax(0)]))
    torch.testing.assert_close(pooled[1:], whole_picture(seen(values[1:])))
    assert whole_picture(object()) is None


def shown(number: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Regions (N, 4, 6) of pictures, one of which is large in feature c where the picture shows category c."""
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(number, 4, 6, generator=draw)
    labels = torch.rand(number, 2, generator=draw) < 0.4
    values[:, 1, :2] += 4.0 * labels
    return values, labels


def test_it_learns_what_pictures_show() -> None:
    values, labels = shown(600, 0)
    pooled = whole_picture(seen(values))
    assert pooled is not None
    probe = fit_presence(pooled, labels, CATEGORIES)
    values, labels = shown(400, 1)
    found = probe(seen(values))
    assert found is not None and found.shape == (400, 2)
    for k in range(2):
        assert float(auc(found[:, k], labels[:, k].numpy())) > 0.95
        assert abs(1 / (1 + np.exp(-found[:, k])) - labels[:, k].numpy()).mean() < 0.2
    assert probe(seen(torch.randn(1, 4, 7))) is None, "features of another captioner"


def test_a_category_that_no_picture_shows() -> None:
    probe = fit_presence(torch.randn(50, 4), torch.zeros(50, 2, dtype=torch.bool), CATEGORIES)
    found = probe(seen(torch.randn(20, 3, 2)))
    assert found is not None and (found < -2).all()


def support(presence: Presence | None) -> Support:
    return Support("key", {(LOG_P, PRESENCE): Logistic([0.0, 1.0], 0.0), (LOG_P,): Logistic([1.0], 0.0)}, {}, presence)


def test_a_word_is_judged_by_the_category_that_it_names(tmp_path: Path) -> None:
    probe = Presence(CATEGORIES, np.eye(2, 4).astype(np.float16), np.array([0.5, -0.25]))
    support(probe).write(tmp_path / "support.json")
    read = read_support(tmp_path / "support.json")
    assert read.presence is not None and read.presence.categories == CATEGORIES
    np.testing.assert_array_equal(read.presence.weights, probe.weights)
    words = ObjectSupport(read, ObjectWords({"ball": [], "tree": []}))
    evidence = {LOG_P: np.zeros(5), PRESENCE: np.array([2.0, -3.0])}
    named = words.of_objects(["a", "tree", "and", "a", "ball"], evidence)
    expected = [1 / (1 + np.exp(3)), 1 / (1 + np.exp(-2))]
    assert [thing.support for thing in named] == pytest.approx(expected)
    (alone,) = words.of_objects(["ball"], {LOG_P: np.zeros(1), PRESENCE: None})
    assert alone.support == 0.5


@pytest.mark.parametrize(
    "damage", [{"weights": "@"}, {"weights": "AAAA"}, {"bias": [0.0]}, {"bias": [0.0, "nan"]}, {"categories": None}]
)
def test_a_damaged_probe_is_refused(damage: dict[str, object], tmp_path: Path) -> None:
    support(Presence(CATEGORIES, np.zeros((2, 4), np.float16), np.zeros(2))).write(tmp_path / "support.json")
    content = json.loads((tmp_path / "support.json").read_text())
    content["presence"] |= damage
    (tmp_path / "support.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"support.json"):
        read_support(tmp_path / "support.json")


def test_what_is_held_out_is_of_no_picture_that_is_fitted_on() -> None:
    """Of noise nothing can be learnt; copies that are held out make it seem so, and let weights grow."""
    torch.manual_seed(2)
    numbers = torch.arange(60)
    pooled, labels = torch.randn(60, 40), torch.rand(60, 2) > 0.5
    copies = torch.cat([numbers, numbers[torch.randperm(60)]])
    leaky = fit_presence(pooled[copies], labels[copies], CATEGORIES)
    fitted = fit_presence(pooled[copies], labels[copies], CATEGORIES, copies)
    assert abs(fitted.weights).sum() < 0.5 * abs(leaky.weights).sum()
