from itertools import product

import numpy as np
import pytest

from whysaid.metrics.auc import auc


def by_pairs(scores, labels, weights):
    total = won = 0.0
    for i, j in product(range(len(scores)), repeat=2):
        if labels[i] and not labels[j]:
            pair = weights[i] * weights[j]
            total += pair
            won += pair * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0)
    return won / total


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_equals_the_count_of_pairs_with_ties_and_weights(levels):
    rng = np.random.default_rng(levels)
    scores, labels = rng.integers(0, levels, 40) - 3.5, rng.random(40) < 0.6
    assert auc(scores, labels) == pytest.approx(by_pairs(scores, labels, np.ones(40)), abs=1e-12)
    weights = rng.integers(0, 4, (6, 40))
    expected = [by_pairs(scores, labels, row) for row in weights]
    np.testing.assert_allclose(auc(scores, labels, weights), expected, atol=1e-12)


def test_order_sign_and_ties_by_hand():
    labels = [True, True, False, False]
    assert auc([4, 3, 2, 1], labels) == 1 and auc([1, 2, 3, 4], labels) == 0
    assert auc([7, 7, 7, 7], labels) == 0.5
    assert auc([3, 1, 2, 2], labels) == 0.5
    assert auc([2, 1, 1, 0], labels) == 7 / 8


def test_without_one_of_the_labels_there_is_no_area():
    assert np.isnan(auc([1, 2], [True, True]))
    assert np.isnan(auc([1, 2], [True, False], [[1, 0]])).all()
