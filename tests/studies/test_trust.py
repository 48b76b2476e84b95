import numpy as np
import pytest
from scipy.stats import spearmanr

from whysaid.studies.common.statistics import DRAWS, bootstrapped_rank_correlation
from whysaid.studies.object_importance.trust import Removal, trust_bars, trust_table


def drawn(number=60, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 6, number).astype(float)  # ties
    return a, a + rng.normal(0, 2, number), rng.integers(0, 15, number)


def test_spearman_with_ties():
    a, b, images = drawn()
    assert bootstrapped_rank_correlation(a, b, images).value == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert bootstrapped_rank_correlation(a, -a, images).value == pytest.approx(-1)


def test_the_interval_is_that_of_images_drawn_again():
    a, b, images = drawn()
    interval = bootstrapped_rank_correlation(a, b, images, seed=3)
    _, place = np.unique(images, return_inverse=True)
    number = place.max() + 1
    times = np.random.default_rng(3).multinomial(number, np.full(number, 1 / number), size=DRAWS)
    again = []
    for counts in times[:, place]:
        rows = np.repeat(np.arange(len(a)), counts)
        again.append(spearmanr(a[rows], b[rows]).statistic)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])), abs=1e-9)
    assert interval.low < interval.value < interval.high


def test_what_never_varies_has_no_rank():
    assert bootstrapped_rank_correlation(np.ones(5), np.arange(5), np.arange(5)) == (0, 0, 0)
    assert bootstrapped_rank_correlation([1.0], [2.0], [7]) == (0, 0, 0)


def table():
    a, b, images = drawn()
    truth = Removal(a, 10 - a, a > 2)
    removals = {"truth": truth, "same": Removal(a, 10 - a, a > 2), "opposite": Removal(-a, a, a > 99)}
    rows = trust_table("truth", removals, {"lrp": b}, a, images.tolist())
    return rows, {row["name"]: row for row in rows}


def test_an_inpainter_that_does_as_the_truth_is_right():
    rows, by_name = table()
    assert [row["name"] for row in rows] == ["truth", "same", "opposite", "lrp", "area"]
    assert len({tuple(row) for row in rows}) == 1, "all rows have the same columns"
    assert by_name["same"]["rho_distance"] == by_name["same"]["rho_drop_low"] == pytest.approx(1)
    assert by_name["opposite"]["rho_distance"] == by_name["opposite"]["rho_drop"] == pytest.approx(-1)
    assert by_name["truth"]["rho_distance"] is None
    assert (by_name["area"]["rho_distance"], by_name["area"]["rho_drop"]) == pytest.approx((1, -1))
    assert by_name["truth"]["area_distance"] == pytest.approx(1) and by_name["lrp"]["area_distance"] is None
    assert 0 < by_name["lrp"]["rho_distance_low"] < by_name["lrp"]["rho_distance"] < 1
    assert by_name["opposite"]["changed"] == 0 < by_name["truth"]["changed"] < 1


def test_the_bars_leave_out_what_is_compared_with():
    groups = trust_bars(table()[0])
    assert [list(group) for group in groups.values()] == [["same", "opposite", "lrp", "area"]] * 2
    value, low, high = groups["change of the caption"]["lrp"]
    assert low < value < high
