import numpy as np
import pytest
from scipy.stats import bootstrap, wilcoxon

from whysaid.studies.common.statistics import compare, holm, mean_bands, mean_interval, paired_p

RNG = np.random.default_rng(0)


def test_the_interval_is_scipys_where_images_have_one_word_each():
    values = RNG.random(80) ** 2
    interval = mean_interval(values, np.arange(80))
    expected = bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=1).confidence_interval
    assert interval.value == pytest.approx(values.mean())
    width = expected.high - expected.low
    assert abs(interval.low - expected.low) < 0.05 * width and abs(interval.high - expected.high) < 0.05 * width


def test_words_of_one_image_are_drawn_together():
    images = RNG.random(20)
    values, ids = np.repeat(images, 50), np.repeat(np.arange(20), 50)
    together, apart = mean_interval(values, ids), mean_interval(values, np.arange(1000))
    single = mean_interval(images, np.arange(20))
    assert together.high - together.low == pytest.approx(single.high - single.low, rel=1e-9)
    assert together.high - together.low > 5 * (apart.high - apart.low)


def test_images_with_more_words_count_more():
    values, ids = [1.0, 1.0, 1.0, 0.0], [1, 1, 1, 2]
    interval = mean_interval(values, ids)
    assert interval == (0.75, 0.0, 1.0)
    assert interval.columns("x") == {"x": 0.75, "x_low": 0.0, "x_high": 1.0}


def test_the_paired_test_is_scipys_on_the_means_of_images():
    a, b, ids = RNG.random(60), RNG.random(60), np.repeat(np.arange(20), 3)
    means = [(a - b)[ids == i].mean() for i in range(20)]
    assert paired_p(a, b, ids) == pytest.approx(wilcoxon(means).pvalue)
    assert paired_p(a, a, ids) == 1.0
    assert paired_p(a + 1, a, ids) < 1e-5


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_methods_are_compared_with_one():
    a, ids = RNG.random(30), np.arange(30)
    p = compare({"a": a, "b": a + 0.5, "c": a}, "a", ids)
    assert set(p) == {"a", "b", "c"}
    assert p["a"] is None and p["b"] == pytest.approx(2 * paired_p(a + 0.5, a, ids)) and p["c"] == 1.0


def test_bands_are_the_intervals_of_every_place():
    curves, ids = RNG.random((60, 4)), np.arange(60) // 3
    mean, low, high = mean_bands(curves, ids, seed=3)
    for k in range(4):
        interval = mean_interval(curves[:, k], ids, seed=3)
        assert interval == pytest.approx((mean[k], low[k], high[k]))
