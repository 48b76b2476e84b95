import numpy as np
import pytest

from whysaid.metrics.polling import poll_scores


def test_scores_by_hand() -> None:
    right = [True, True, True, False, False, False]
    said = [True, True, False, True, False, False]
    scores = poll_scores(right, said, [[1] * 6, [1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0]])
    assert scores["accuracy"].tolist() == pytest.approx([4 / 6, 1 / 3, 1])
    assert scores["precision"][:2].tolist() == pytest.approx([2 / 3, 1 / 2]) and np.isnan(scores["precision"][2])
    assert scores["recall"][:2].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert scores["F1"][:2].tolist() == pytest.approx([2 / 3, 1 / 2])
    assert scores["yes"].tolist() == pytest.approx([1 / 2, 2 / 3, 0])


def test_always_yes_is_half_right() -> None:
    scores = poll_scores([True, False] * 5, [True] * 10, np.ones((1, 10)))
    assert [float(scores[name][0]) for name in ("accuracy", "recall", "F1", "yes")] == [0.5, 1, pytest.approx(2 / 3), 1]
