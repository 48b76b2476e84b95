import numpy as np
import pytest

from whysaid.metrics.localization import best_correctness, correctness, mass_accuracy, pointing_game, rank_accuracy

RNG = np.random.default_rng(0)
HEAT = RNG.normal(size=(3, 6, 5))
INSIDE = RNG.random((6, 5)) < 0.4


def by_hand(heat, inside, threshold):
    largest = max(max(row) for row in heat.tolist())
    total = within = 0.0
    for i in range(heat.shape[0]):
        for j in range(heat.shape[1]):
            value = max(heat[i, j], 0.0)
            if largest > 0 and value / largest > threshold:
                total += value
                within += value * inside[i, j]
    return within / total if total else 0.0


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.9])
def test_correctness_is_equation_9(threshold):
    expected = [by_hand(heat, INSIDE, threshold) for heat in HEAT]
    np.testing.assert_allclose(correctness(HEAT, INSIDE, threshold), expected, rtol=1e-12)


def test_only_what_is_above_a_threshold_counts():
    heat, inside = np.array([[1.0, 0.5]]), np.array([[True, False]])
    np.testing.assert_allclose(correctness(heat, inside, [0.49, 0.5]), [2 / 3, 1])


def test_a_curve_thresholds_copies_of_the_map():
    thresholds = np.arange(10) / 10
    before = HEAT.copy()
    together = correctness(HEAT, INSIDE, thresholds)
    np.testing.assert_array_equal(HEAT, before)
    assert together.shape == (3, 10)
    for k, threshold in enumerate(thresholds):
        np.testing.assert_allclose(together[:, k], correctness(HEAT, INSIDE, threshold), rtol=1e-12)


@pytest.mark.parametrize(
    ("heat", "expected"), [(INSIDE, 1.0), (~INSIDE, 0.0), (-INSIDE.astype(float), 0.0), (0 * HEAT[0], 0.0)]
)
def test_a_map_in_the_box_is_right_and_one_beside_it_or_without_evidence_wrong(heat, expected):
    heat = heat.astype(float)
    np.testing.assert_array_equal(correctness(heat, INSIDE, [0.0, 0.5, 0.9]), [expected] * 3)
    assert pointing_game(heat, INSIDE) == mass_accuracy(heat, INSIDE) == expected


def test_a_constant_map_scores_the_share_of_the_box():
    flat = np.full((6, 5), 0.1)
    for metric in (correctness, pointing_game, mass_accuracy, rank_accuracy):
        assert metric(flat, INSIDE) == pytest.approx(INSIDE.mean())


def test_the_best_box_may_change_with_the_threshold():
    boxes = np.zeros((2, 1, 4), bool)
    boxes[0, 0, 0] = boxes[1, 0, 1:3] = True
    heat = np.array([[4.0, 3.0, 3.0, 2.0]])
    np.testing.assert_allclose(best_correctness(heat, boxes, [0.0, 0.9]), [6 / 12, 1.0])
    assert correctness(heat, boxes.any(0)) == pytest.approx(10 / 12)


def test_pointing_shares_a_tie():
    heat = np.array([[2.0, 2.0, 1.0, 2.0]])
    assert pointing_game(heat, np.array([[True, False, True, False]])) == pytest.approx(1 / 3)


def test_rank_accuracy_counts_the_largest_values():
    inside = np.array([[True, True, True, False, False, False]])
    assert rank_accuracy(np.array([[5.0, 1.0, 4.0, 3.0, 2.0, 0.0]]), inside) == pytest.approx(2 / 3)
    assert rank_accuracy(np.array([[-5.0, -4.0, -3.0, -6.0, -7.0, -8.0]]), inside) == 1.0
    # one is above, the other two places are shared among four equal ones, of which two lie inside
    assert rank_accuracy(np.array([[9.0, 1.0, 1.0, 1.0, 1.0, 0.0]]), inside) == pytest.approx((1 + 2 * 2 / 4) / 3)
    many = np.stack([np.arange(6.0), -np.arange(6.0)])[:, None]
    np.testing.assert_allclose(rank_accuracy(many, inside), [0.0, 1.0])
