import random

import pytest

from whysaid.data.captions.encoded import EncodedCaptions


def test_captions_are_found_by_image_and_number() -> None:
    draw = random.Random(0)
    lists = [[[draw.randrange(9000) for _ in range(draw.randrange(8))] for _ in range(n)] for n in (5, 0, 1, 3)]
    encoded = EncodedCaptions(lists)
    assert [encoded.number(image) for image in range(4)] == [5, 0, 1, 3]
    for image, own in enumerate(lists):
        assert [encoded.of(image, number).tolist() for number in range(len(own))] == own


def test_an_image_that_is_not_there() -> None:
    with pytest.raises(IndexError):
        EncodedCaptions([]).number(0)
