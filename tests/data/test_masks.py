from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from whysaid.data.inpainting.masks import Box, FreeForm, Objects, OneOf, Shape, Union, dilated, trimmed


def drawn(shape: Shape, height: int, width: int, count: int = 200) -> NDArray[np.bool_]:
    return np.stack([shape(np.random.default_rng((0, i)), height, width) for i in range(count)])


def disk(side: int = 21) -> NDArray[np.bool_]:
    y, x = np.mgrid[:side, :side] - side // 2
    return x**2 + y**2 <= (side // 2) ** 2


SHAPES: dict[str, Callable[[], Shape]] = {
    "box": Box,
    "free form": FreeForm,
    "union": lambda: Union({"box": Box(), "strokes": FreeForm()}),
    "one of": lambda: OneOf({"box": Box(), "strokes": FreeForm()}, {"box": 1, "strokes": 3}),
    "objects": lambda: Objects([disk(), np.tri(9, dtype=bool)]),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 96)])
def test_a_hole_is_drawn_by_its_generator_alone(name: str, height: int, width: int) -> None:
    shape = SHAPES[name]()
    masks = drawn(shape, height, width, 40)
    assert masks.shape == (40, height, width) and masks.dtype == bool
    assert masks.any((1, 2)).all() and not masks.all((1, 2)).any()
    assert np.array_equal(masks, drawn(SHAPES[name](), height, width, 40))
    assert len({mask.tobytes() for mask in masks}) > 30


@pytest.mark.parametrize("side", [64, 256])
def test_area_of_boxes(side: int) -> None:
    """Half the side less two uniform margins of 0…16 in 256 px: E[(1/2 − 2·U)²] with U uniform on {0…16}/256."""
    margin = side // 16
    expected = np.mean([(side / 2 - 2 * m) * (side / 2 - 2 * n) for m in range(margin + 1) for n in range(margin + 1)])
    areas = drawn(Box(), side, side, 1500).sum((1, 2))
    assert areas.mean() == pytest.approx(expected, rel=0.02)
    assert areas.max() == (side // 2) ** 2 and areas.min() >= (side // 2 - 2 * margin) ** 2


def test_boxes_reach_every_row_and_column() -> None:
    reached = drawn(Box(), 32, 32, 600).any(0)
    assert reached.any(0).all() and reached.any(1).all()


def test_area_of_strokes() -> None:
    """A sixth of the picture on average with the published settings, at either size; more strokes cover more."""
    small, large = (drawn(FreeForm(), side, side, 300).mean() for side in (64, 256))
    assert 0.12 < large < 0.21 and small == pytest.approx(large, abs=0.02)
    single, three = (drawn(FreeForm(strokes=(n, n)), 64, 64, 300).mean() for n in (1, 3))
    assert 1.8 * single < three < 3 * single


def test_brushes_scale_with_the_picture() -> None:
    """A stroke of a single width: its narrowest place is that wide."""
    mask = FreeForm(strokes=(1, 1), vertices=(1, 1), brush=(32, 32))(np.random.default_rng(1), 128, 128)
    assert min(trimmed(mask).shape) >= 16 - 2


def test_strokes_are_mirrored() -> None:
    """Strokes begin everywhere and, mirrored, lean to no side."""
    share = drawn(FreeForm(), 64, 64, 1500).mean(0)
    assert share[:32].mean() == pytest.approx(share[32:].mean(), rel=0.06)
    assert share[:, :32].mean() == pytest.approx(share[:, 32:].mean(), rel=0.06)


def test_a_union_covers_both() -> None:
    rng = np.random.default_rng(3)
    box, strokes = Box()(rng, 64, 64), FreeForm()(rng, 64, 64)
    assert np.array_equal(Union({"box": Box(), "strokes": FreeForm()})(np.random.default_rng(3), 64, 64), box | strokes)


def test_one_of_follows_its_weights() -> None:
    full, empty = (
        lambda value: type("Whole", (Shape,), {"__call__": lambda *_: np.full((4, 4), value)})() for _ in "ab"
    )
    masks = drawn(OneOf({"full": full(True), "empty": empty(False)}, {"empty": 1, "full": 3}), 4, 4, 800)
    assert masks[:, 0, 0].mean() == pytest.approx(0.75, abs=0.05)


def test_area_of_objects() -> None:
    areas = drawn(Objects([disk()], share=(0.1, 0.1), dilate=0), 64, 64, 30).mean((1, 2))
    assert areas == pytest.approx(0.1, rel=0.1)
    larger = drawn(Objects([disk()], share=(0.1, 0.1), dilate=16), 64, 64, 30).mean((1, 2))
    radius = np.sqrt(0.1 / np.pi)
    assert larger.max() == pytest.approx(np.pi * (radius + 1 / 16) ** 2, rel=0.1)


def test_objects_keep_their_shape() -> None:
    triangle = np.tri(20, dtype=bool)
    mask = trimmed(Objects([triangle], share=(0.05, 0.05), dilate=0)(np.random.default_rng(0), 64, 64))
    assert any(np.mean(np.flip(mask, axes) == np.tri(*mask.shape, dtype=bool)) > 0.93 for axes in ((), 0, 1, (0, 1)))


def test_an_object_too_large_is_kept_inside() -> None:
    wide = np.ones((2, 60), bool)
    mask = Objects([wide], share=(0.9, 0.9))(np.random.default_rng(0), 32, 48)
    assert mask.shape == (32, 48)


def test_what_outlines_need_is_read_once_before() -> None:
    asked = []

    class Lazy(list):
        def __len__(self) -> int:
            asked.append(True)
            return super().__len__()

    shape = OneOf({"a": Union({"b": Box(), "c": Objects(Lazy([disk()]))}), "d": FreeForm()}, {"a": 1, "d": 1})
    shape.prefetch()
    assert asked == [True]


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_dilation_by_a_disk(radius: int) -> None:
    mask = np.zeros((11, 11), bool)
    mask[5, 5] = True
    y, x = np.mgrid[:11, :11] - 5
    assert np.array_equal(dilated(mask, radius), x**2 + y**2 <= radius**2)


def test_trimming() -> None:
    mask = np.zeros((6, 7), bool)
    mask[2, 1] = mask[4, 5] = True
    assert trimmed(mask).shape == (3, 5)
