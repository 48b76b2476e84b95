import numpy as np
import pytest

from whysaid.metrics.calibration import calibration_error, reliability

P = np.array([0.05, 0.15, 0.12, 0.95, 1.0])
TRUE = np.array([False, True, False, True, True])


def test_the_error_is_the_mean_gap_of_the_bins():
    gaps = [0.05, abs(1 - 0.27), abs(2 - 1.95)]  # bins [0, 0.1), [0.1, 0.2), [0.9, 1]
    assert calibration_error(P, TRUE) == pytest.approx(sum(gaps) / 5)


def test_weights_count_items_as_often_as_repeating_them_would():
    times = np.array([2, 0, 3, 1, 0])
    repeated = calibration_error(np.repeat(P, times), np.repeat(TRUE, times))
    both = calibration_error(P, TRUE, [times, np.ones(5)])
    assert both == pytest.approx(np.array([repeated, calibration_error(P, TRUE)]))
    assert np.isnan(calibration_error(P, TRUE, np.zeros(5)))


def test_probabilities_that_are_right_have_no_error():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    labels = rng.random(20_000) < p
    assert calibration_error(p, labels) < 0.02 < 0.2 < calibration_error(p**3, labels)


def test_points_of_a_reliability_diagram():
    low, second, high = reliability(P, TRUE)
    assert (low.low, low.high, low.items, low.true) == (0, 0.1, 1, 0)
    assert second.probability == pytest.approx(0.135) and second.true == 0.5
    assert (high.high, high.items) == (1, 2)
