from collections import Counter

import numpy as np
import pytest
import torch

from tests.studies.planted import Fixed
from whysaid.data.instances import Instance
from whysaid.studies.common.statistics import Interval
from whysaid.studies.localization import UNIFORM, Localization

SIDE = 8
OBJECTS = [Instance(1, "cat", (0, 0, 8, 16), (16, 16)), Instance(2, "cat", (12, 12, 4, 4), (16, 16))]
"""A picture of 16 pixels: after scaling, the boxes are 4 × 8 and 2 × 2 pixels of 64."""

SHARE = 36 / 64


def maps():
    union = np.any([box.boxed(SIDE) for box in OBJECTS], 0)
    inside = torch.from_numpy(union).float()
    small = torch.zeros(SIDE, SIDE)
    small[6:, 6:] = 1
    return torch.stack([inside, 1 - 2 * inside, small - 0.5 * (1 - inside), torch.ones(SIDE, SIDE)])


def study(**settings):
    return Localization({"inside": Fixed(), "outside": Fixed(), "small": Fixed()}, against="inside", **settings)


def located(image_id=1):
    return study().locate(image_id, "cat", maps(), OBJECTS)


def test_a_map_in_the_boxes_is_right_at_every_threshold():
    word = located()
    assert word.correctness.shape == (4, 10)
    assert (word.correctness[0] == 1).all() and (word.correctness[1] == 0).all() and (word.correctness[2] == 1).all()
    np.testing.assert_allclose(word.correctness[3], SHARE)
    np.testing.assert_allclose(word.best_box[:, 0], [32 / 36, 0, 1, 32 / 64])
    assert word.negative[:, 0].tolist() == [0, 1, 0, 0] and word.any_negative.tolist() == [False, True, True, False]
    np.testing.assert_allclose(word.pointing, [1, 0, 1, SHARE])
    np.testing.assert_allclose(word.mass, [1, 0, 1, SHARE])
    assert word.rank[0] == 1 and word.rank[1] == pytest.approx((36 - 28) / 36) and word.rank[3] == pytest.approx(SHARE)


def test_exact_masks_serve_mass_and_rank_and_boxes_the_rest():
    objects = [Instance(1, "cat", (0, 0, 8, 16), (16, 16), [[0, 0, 8, 0, 8, 8, 0, 8]])]  # the upper half of the box
    whole = torch.zeros(1, SIDE, SIDE)
    whole[:, :, :4] = 1
    word = study().locate(1, "cat", whole, objects)
    assert word.correctness[0, 0] == 1 and word.pointing[0] == 1
    assert word.mass[0] == pytest.approx(0.5) and word.rank[0] == pytest.approx(0.5)


def test_the_table():
    outcome = study()._outcome([located(i) for i in range(8)], Data(), Counter(words=2))
    rows = {row["method"]: row for row in outcome.rows}
    assert list(rows) == ["inside", "outside", "small", UNIFORM]
    assert Interval(*(rows["inside"][f"correctness{end}"] for end in ("", "_low", "_high"))) == (1, 1, 1)
    assert rows["inside"]["p"] is None and rows["small"]["p"] == 1 and rows["outside"]["p"] < 0.05
    assert rows["inside"]["negative"] is None and rows["outside"]["negative"] == 1
    assert outcome.metrics["test/localization_uniform"] == pytest.approx(SHARE)
    assert outcome.details["thresholds"][-1] == 0.9 and len(outcome.details["curves"]["small"]["correctness"]) == 10
    assert outcome.notes[-1] == "Left out: 2 words."


class Data:
    evaluated = "test"
