import numpy as np
import pytest
from PIL import Image

from whysaid.data.framing import Framing


def ramp(width: int, height: int) -> Image.Image:
    """A photo whose red is the column and whose green is the row."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8))


def test_without_resizing_pixels_are_copied() -> None:
    framing = Framing(16, resize=None, mirror=False)
    for i in range(20):
        square = np.asarray(framing.drawn(ramp(40, 24), np.random.default_rng(i))).astype(int)
        left, top = square[0, 0, :2]
        assert np.array_equal(square[..., :2], np.asarray(ramp(40, 24))[top : top + 16, left : left + 16, :2])


def test_the_middle() -> None:
    square = np.asarray(Framing(16).middle(ramp(40, 24)))
    assert square[0, 0].tolist() == [12, 4, 0] and square[-1, -1].tolist() == [27, 19, 0]


def test_every_place_is_drawn() -> None:
    framing = Framing(16, mirror=False)
    corners = {tuple(np.asarray(framing.drawn(ramp(18, 17), np.random.default_rng(i)))[0, 0]) for i in range(80)}
    assert corners == {(x, y, 0) for x in range(3) for y in range(2)}


def test_the_shorter_side_is_resized_before_the_crop() -> None:
    """A square of 16 out of a photo brought from 80 to 20 pixels spans 64 of its own."""
    square = np.asarray(Framing(16, resize=(1.25, 1.25), mirror=False).middle(ramp(100, 80))).astype(float)
    assert square[8, 15, 0] - square[8, 0, 0] == pytest.approx(64 * 15 / 16, abs=1.5)


def test_the_length_is_drawn_from_a_range() -> None:
    framing = Framing(16, resize=(1.0, 4.0), mirror=False)
    spans = []
    for i in range(60):
        square = np.asarray(framing.drawn(ramp(64, 64), np.random.default_rng(i))).astype(float)
        spans.append((square[8, 12, 0] - square[8, 3, 0]) / 9 * 16)
    assert min(spans) < 20 and max(spans) > 48


@pytest.mark.parametrize("size", [(9, 30), (30, 9), (1, 1)])
def test_a_small_photo_is_enlarged(size: tuple[int, int]) -> None:
    framing = Framing(16)
    assert framing.drawn(ramp(*size), np.random.default_rng(0)).size == (16, 16)
    assert framing.middle(ramp(*size)).size == (16, 16)


def test_half_are_mirrored() -> None:
    framing = Framing(16)
    falling = [np.asarray(framing.drawn(ramp(16, 16), np.random.default_rng(i)))[0, 0, 0] == 15 for i in range(200)]
    assert np.mean(falling) == pytest.approx(0.5, abs=0.1)


def test_draws_depend_on_the_generator_alone() -> None:
    framing = Framing(16, resize=(1.0, 2.5))
    first, second = (framing.drawn(ramp(50, 60), np.random.default_rng(7)) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_rounding_never_leaves_the_photo() -> None:
    """64 / (64 / 98) is a little more than 98, and so it is for other sizes."""
    framing, rounded = Framing(64, (1.0, 1.0)), 0
    for least in range(65, 700):
        rounded += 64 / (64 / least) > least
        for size in ((least, least), (least + 7, least)):
            assert framing.drawn(Image.new("L", size), np.random.default_rng(least)).size == (64, 64)
    assert rounded > 0
