import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from whysaid.data.images import Photo, Preprocessing, first_readable, imagenet_preprocessing, load_image
from whysaid.errors import UserError

RED = (220, 30, 10)


def saved(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def pixel(image: Image.Image, x: int = 4, y: int = 4) -> tuple[int, ...]:
    assert image.mode == "RGB"
    return image.getpixel((x, y))


def close(actual, expected, tolerance=3) -> bool:
    return max(abs(a - b) for a, b in zip(actual, expected, strict=True)) <= tolerance


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
def test_rgb_files_keep_their_colour(tmp_path, suffix):
    path = saved(Image.new("RGB", (8, 8), RED), tmp_path / f"a{suffix}")
    assert close(pixel(load_image(path)), RED, tolerance=8)


def test_grayscale_and_one_bit_become_equal_channels(tmp_path):
    assert pixel(load_image(saved(Image.new("L", (8, 8), 77), tmp_path / "l.png"))) == (77, 77, 77)
    assert pixel(load_image(saved(Image.new("1", (8, 8), 1), tmp_path / "1.png"))) == (255, 255, 255)


def test_cmyk_jpeg_keeps_its_colour(tmp_path):
    path = saved(Image.new("RGB", (8, 8), RED).convert("CMYK"), tmp_path / "cmyk.jpg", quality=95)
    assert close(pixel(load_image(path)), RED, tolerance=8)


def test_palette_keeps_its_colour(tmp_path):
    path = saved(Image.new("RGB", (8, 8), RED).convert("P", palette=Image.Palette.ADAPTIVE), tmp_path / "p.gif")
    assert close(pixel(load_image(path)), RED)


def test_transparency_is_laid_on_white(tmp_path):
    half = saved(Image.new("RGBA", (8, 8), (*RED, 128)), tmp_path / "rgba.png")
    assert close(pixel(load_image(half)), [round(c * 128 / 255 + 127) for c in RED])
    clear = saved(Image.new("LA", (8, 8), (10, 0)), tmp_path / "la.png")
    assert pixel(load_image(clear)) == (255, 255, 255)


def test_transparent_palette_entry_is_laid_on_white(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([*RED, 0, 0, 255])
    image.putpixel((4, 4), 1)
    loaded = load_image(saved(image, tmp_path / "p.png", transparency=0))
    assert (pixel(loaded), pixel(loaded, 0, 0)) == ((0, 0, 255), (255, 255, 255))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.full((8, 8), 257 * 100, np.uint16)
    assert pixel(load_image(saved(Image.fromarray(values), tmp_path / "16.png"))) == (100, 100, 100)


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (16, 8), "black")
    image.paste((255, 255, 255), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    loaded = load_image(saved(image, tmp_path / "turned.jpg", exif=exif, quality=95))
    assert loaded.size == (8, 16)
    assert close(pixel(loaded, 4, 2), (255, 255, 255)) and close(pixel(loaded, 4, 13), (0, 0, 0))


def test_missing_file_names_itself(tmp_path):
    with pytest.raises(UserError, match=r"no image .*gone\.jpg"):
        load_image(tmp_path / "gone.jpg")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_truncated_file_names_itself(tmp_path, form):
    buffer = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, form)
    path = tmp_path / "cut.jpg"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(UserError, match=r"cut\.jpg cannot be read"):
        load_image(path)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40])
def test_what_is_no_image_names_itself(tmp_path, content):
    path = tmp_path / "text.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"text\.png cannot be read"):
        load_image(path)


def test_floating_point_pixels_are_refused(tmp_path):
    with pytest.raises(UserError, match="no known range"):
        load_image(saved(Image.fromarray(np.ones((8, 8), np.float32)), tmp_path / "f.tif"))


def test_preprocessing_normalises_and_inverse_restores():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    preprocessing = imagenet_preprocessing(32)
    tensor = preprocessing(Image.fromarray(noise))
    assert tensor.shape == (3, 32, 32) and tensor.dtype == torch.float32 and tensor.is_contiguous()
    expected = (noise / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    assert np.allclose(tensor.permute(1, 2, 0).numpy(), expected, atol=1e-5)
    restored = preprocessing.inverse(torch.stack([tensor, tensor]))[1].permute(1, 2, 0).numpy()
    assert np.allclose(restored, noise / 255, atol=1e-6)


def test_preprocessing_resizes_without_cropping():
    image = Image.new("RGB", (60, 20), "black")
    image.paste((255, 255, 255), (0, 0, 6, 20))  # the left tenth
    tensor = Preprocessing(40, (0.0,) * 3, (1.0,) * 3)(image)
    assert tensor.shape == (3, 40, 40)
    assert tensor[:, :, :3].min() > 0.9 and tensor[:, :, 6:].max() < 0.1


def test_resizing_averages_fine_detail():
    checker = np.indices((128, 128)).sum(0) % 2 * 255
    image = Image.fromarray(checker.astype(np.uint8)).convert("RGB")
    inside = Preprocessing(32, (0.0,) * 3, (1.0,) * 3)(image)[:, 4:-4, 4:-4]
    assert (inside - 0.5).abs().max() < 0.02


def test_preprocessing_survives_plain_containers():
    preprocessing = Preprocessing(80, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    values = preprocessing.to_dict()
    assert values == {"size": 80, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    assert Preprocessing.from_dict(values) == preprocessing


@pytest.mark.photos
def test_every_photo_of_the_small_set_loads():
    folder = Path("../shared/data/coco_small/val2017")
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    photos = sorted(folder.glob("*.jpg"))[:100]
    assert all(load_image(photo).mode == "RGB" for photo in photos) and photos


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone(orientation: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "photo.png", exif=exif)
    with Image.open(tmp_path / "photo.png") as file:
        expected = np.asarray(ImageOps.exif_transpose(file))
    np.testing.assert_array_equal(np.asarray(load_image(tmp_path / "photo.png")), expected)


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF data with entries of tag, type, count, and four bytes of value, whatever these say."""
    listed = b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    head = struct.pack("<2sHI", b"II", 42, 8)
    return b"Exif\0\0" + head + struct.pack("<H", len(entries)) + listed + bytes(4)


ROTATED = (0x0112, 3, 1, b"\x06\0\0\0")
DAMAGED = {
    "a text that is said to be rational": exif(ROTATED, (0x0131, 5, 1, b"\xff\xff\0\0")),
    "a number that is said to be a text": exif(ROTATED, (0x011A, 2, 4, b"\xff\xfe\0\x01")),
    "rational numbers beyond the end": exif(ROTATED, (0x011A, 5, 1, b"\xff\xff\xff\x7f")),
    "a type that does not exist": exif(ROTATED, (0x0132, 99, 1, b"abcd")),
    "a tag said to have a billion values": exif(ROTATED, (0x0132, 4, 10**9, b"abcd")),
    "an orientation of a byte": exif((0x0112, 1, 1, b"\x06\0\0\0")),
    "an orientation of four bytes": exif((0x0112, 4, 1, b"\x06\0\0\0")),
    "an orientation twice": exif((0x0112, 3, 2, b"\x06\0\x06\0")),
}
UNREADABLE = {
    "no TIFF in it": b"Exif\0\0nothing of the kind",
    "cut off": exif(ROTATED)[:18],
    "a text as orientation": exif((0x0112, 2, 4, b"top\0")),
    "an orientation that is none": exif((0x0112, 3, 1, b"\x2a\0\0\0")),
    "no values": exif((0x0112, 3, 0, bytes(4))),
}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_mistyped_tag_leaves_a_photo_upright(data: bytes, tmp_path: Path) -> None:
    pixels = Image.new("RGB", (24, 16), "red")
    pixels.paste("blue", (0, 0, 12, 16))
    pixels.save(tmp_path / "photo.jpg", exif=data, quality=100)
    upright = load_image(tmp_path / "photo.jpg")
    assert upright.size == (16, 24)
    assert close(pixel(upright, 8, 2), (0, 0, 255), 8) and close(pixel(upright, 8, 20), (255, 0, 0), 8)
    assert first_readable([Photo(1, tmp_path / "photo.jpg")], 0)[2] == []


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_damaged_exif_costs_no_photo(data: bytes, tmp_path: Path) -> None:
    Image.new("RGB", (24, 16), "red").save(tmp_path / "photo.jpg", exif=data)
    assert load_image(tmp_path / "photo.jpg").size == (24, 16)


def test_postscript_is_no_photo_whatever_its_name(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "page.eps")
    (tmp_path / "page.eps").rename(tmp_path / "page.jpg")
    with pytest.raises(UserError, match="cannot be read as an image"):
        load_image(tmp_path / "page.jpg")
