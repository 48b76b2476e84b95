"""Where what a model sees lies in the photo."""

import numpy as np
import pytest
import torch
from PIL import Image

from whysaid.attribution.sentence import to_photo
from whysaid.data.images import View
from whysaid.models.transformers.processing import ProcessorPreprocessing


def preprocessing(kind: str, **settings: object) -> ProcessorPreprocessing:
    import transformers

    processor = getattr(transformers, kind)(**settings)
    return ProcessorPreprocessing(24, tuple(processor.image_mean), tuple(processor.image_std), processor=processor)


SQUARE = {"size": {"height": 24, "width": 24}}
CROPPED = {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24}}


@pytest.mark.parametrize(
    ("kind", "settings", "size", "box"),
    [
        ("BlipImageProcessor", SQUARE, (300, 150), (0, 0, 1, 1)),
        ("ViTImageProcessor", SQUARE, (64, 200), (0, 0, 1, 1)),
        ("ViltImageProcessor", {"size": {"shortest_edge": 24}, "size_divisor": 8}, (300, 200), (0, 0, 1, 1)),
        ("CLIPImageProcessor", CROPPED, (300, 200), (1 / 6, 0, 5 / 6, 1)),
        ("CLIPImageProcessor", CROPPED, (100, 400), (0, 3 / 8, 1, 5 / 8)),
        ("CLIPImageProcessor", CROPPED, (50, 50), (0, 0, 1, 1)),
    ],
)
def test_views_are_found_by_a_photo_that_tells_its_coordinates(
    kind: str, settings: dict[str, object], size: tuple[int, int], box: tuple[float, ...]
) -> None:
    (view,) = preprocessing(kind, **settings).views(*size)
    assert view.box == pytest.approx(box, abs=0.5 / 24) and view.part == (0, 0, 1, 1)
    whole = [side for side in box if side in (0, 1)]
    assert [side for side in view.box if side in (0, 1)] == whole, "an edge of the photo is met exactly"


def test_only_processors_that_keep_shapes_give_tensors_of_many_sizes() -> None:
    assert preprocessing("BlipImageProcessor", **SQUARE).one_size
    assert preprocessing("CLIPImageProcessor", **CROPPED).one_size
    assert not preprocessing("ViltImageProcessor", size={"shortest_edge": 24}, size_divisor=8).one_size


def test_pixels_are_the_processors_and_come_back() -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8))
    steps = preprocessing("BlipImageProcessor", **SQUARE)
    assert torch.equal(steps(photo), steps.processor(images=photo, return_tensors="pt")["pixel_values"][0])
    restored = steps.inverse(steps(photo)).permute(1, 2, 0).numpy() * 255
    np.testing.assert_allclose(restored, np.asarray(photo), atol=1)


@pytest.mark.parametrize("size", [(40, 60), (80, 30)])
def test_a_mark_in_the_photo_comes_back_to_its_place(size: tuple[int, int]) -> None:
    """A white square of a black photo, cropped by the processor, is where it was when the crop is undone."""
    height, width = size
    steps = preprocessing("CLIPImageProcessor", **CROPPED)
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2 - 4, width // 2 - 6
    pixels[top : top + 8, left : left + 8] = 255
    seen = steps.inverse(steps(Image.fromarray(pixels))).mean(0, keepdim=True).numpy()
    back = to_photo(seen, size, steps.views(width, height))[0]
    rows, columns = np.nonzero(back > 0.5)
    assert abs(rows.mean() - (top + 3.5)) < 1 and abs(columns.mean() - (left + 3.5)) < 1
    assert abs(len(rows) - 64) < 24
    cut = (width - height) // 2 if width > height else (height - width) // 2
    border = back[:, : cut - 1] if width > height else back[: cut - 1]
    assert border.size > 0 and not border.any(), "where the model saw nothing there is nothing"


def test_padding_is_cut_off_and_views_are_added() -> None:
    maps = np.ones((1, 8, 8), np.float32)
    padded = View((-0.5, 0.0, 1.5, 1.0))
    np.testing.assert_array_equal(to_photo(maps, (10, 20), [padded]), np.ones((1, 10, 20)))
    halves = [View((0.0, 0.0, 0.5, 1.0), (0.0, 0.0, 1.0, 0.5)), View((0.0, 0.0, 1.0, 1.0), (0.0, 0.5, 1.0, 1.0))]
    maps[:, 4:] = 3
    both = to_photo(maps, (10, 20), halves)
    assert (both[0, :, :10] == 4).all() and (both[0, :, 10:] == 3).all()
