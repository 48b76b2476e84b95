"""Masks that somebody drew."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whysaid.counterfactual.own_masks import mask_files, own_objects
from whysaid.errors import UserError

PHOTO = Image.new("RGB", (12, 8))


def drawn(path: Path, values: np.ndarray, mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).convert(mode).save(path)
    return path


def corner(height: int = 8, width: int = 12, white: int = 255) -> np.ndarray:
    values = np.zeros((height, width))
    values[: height // 2, : width // 3] = white
    return values


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P"])
@pytest.mark.parametrize("name", ["sofa.png", "sofa.bmp"])
def test_white_is_what_goes_at_any_size_of_the_photos_shape(mode: str, name: str, tmp_path: Path) -> None:
    for scale in (1, 5):
        (instance,) = own_objects([drawn(tmp_path / name, corner(8 * scale, 12 * scale), mode)], PHOTO)
        np.testing.assert_array_equal(instance.mask(8, 12), corner() > 0)
        assert instance.category == "sofa" and not instance.crowd and instance.segmentation


def test_masks_of_zero_and_one_and_of_jpeg_noise_count(tmp_path: Path) -> None:
    (instance,) = own_objects([drawn(tmp_path / "index.png", corner(white=1))], PHOTO)
    np.testing.assert_array_equal(instance.mask(8, 12), corner() > 0)
    noisy = np.where(corner(64, 96) > 0, 250, 0) + np.random.default_rng(0).integers(0, 5, (64, 96))
    (instance,) = own_objects([drawn(tmp_path / "noisy.png", noisy)], PHOTO)
    np.testing.assert_array_equal(instance.mask(8, 12), corner() > 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((8, 12)), "black everywhere"),
        (np.full((8, 12), 255), "white everywhere"),
        (np.full((8, 12), 90), "white everywhere"),
        (corner(12, 8), "8 × 12 pixels, its photo 12 × 8"),
    ],
)
def test_a_mask_that_says_nothing(values: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        own_objects([drawn(tmp_path / "a.png", values)], PHOTO)


def test_a_file_that_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(UserError, match="cannot be read as an image"):
        own_objects([tmp_path / "a.png"], PHOTO)


def test_which_masks_are_a_photos(tmp_path: Path) -> None:
    masks, photo = tmp_path / "masks", Path("cat.jpg")
    other = drawn(masks / "dog.png", corner())
    hidden = drawn(masks / ".cat.png", corner())
    assert mask_files(masks, photo, alone=True) == [other] != [hidden]
    with pytest.raises(UserError, match=r"call it cat\.png"):
        mask_files(masks, photo, alone=False)
    own = drawn(masks / "cat.png", corner())
    assert mask_files(masks, photo, alone=True) == mask_files(masks, photo, alone=False) == [own]
    several = [drawn(masks / "cat" / f"{name}.png", corner()) for name in ("ear", "tail")]
    assert mask_files(masks, photo, alone=False) == several
    assert mask_files(other, photo, alone=False) == [other]
    with pytest.raises(UserError, match="there is no mask"):
        mask_files(tmp_path / "none", photo, alone=True)
