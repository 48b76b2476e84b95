import pytest

from whysaid.metrics.caption_statistics import CaptionStatistics


def test_by_hand():
    scores = CaptionStatistics()({1: "a dog on a", 2: "two dogs", 3: "", 4: "a man standing in front of"}, {})
    assert scores["bad_endings"].corpus == 0.5
    assert scores["bad_endings"].per_image == {1: 1, 2: 0, 3: 0, 4: 1}
    assert scores["length"].corpus == pytest.approx((4 + 2 + 0 + 6) / 4)
    assert scores["vocabulary"].corpus == len({"a", "dog", "on", "two", "dogs", "man", "standing", "in", "front", "of"})
    assert set(scores) == set(CaptionStatistics.names)
