import numpy as np
import pytest
from PIL import Image

from whysaid.figures import canvas
from whysaid.figures.canvas import DPI, add_picture, blank, save, to_array, with_few_colours


def test_inches_are_pixels():
    figure = blank(2, 1)
    add_picture(figure, np.broadcast_to([1.0, 0, 0], (10, 20, 3)), left=0.5, top=0.25, width=1)
    pixels = to_array(figure)
    assert pixels.shape == (DPI, 2 * DPI, 3) and pixels.dtype == np.uint8
    red = (pixels == [255, 0, 0]).all(-1)
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    np.testing.assert_allclose([rows[0], rows[-1]], [DPI * 0.25, DPI * 0.75], atol=2)
    np.testing.assert_allclose([columns[0], columns[-1]], [DPI * 0.5, DPI * 1.5], atol=2)


def test_saves_what_it_shows_and_makes_the_folder(tmp_path):
    figure = blank(1, 1)
    save(figure, tmp_path / "new" / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png").convert("RGB")), to_array(figure))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_a_failed_save_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save(blank(1, 1), path)
    before = path.read_bytes()
    monkeypatch.setattr(canvas, "to_array", lambda figure: np.zeros((2, 2), "complex64"))
    with pytest.raises(TypeError):
        save(blank(2, 2), path)
    assert path.read_bytes() == before


def test_a_stored_figure_is_small_and_looks_the_same(tmp_path):
    figure = blank(6, 6)
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.2, 0.8, 96)
    add_picture(figure, np.clip(ramp[:, None, None] + 0.02 * rng.normal(size=(96, 96, 3)), 0, 1), 0, 0, 2.0)
    add_picture(figure, rng.random((96, 1, 3)) * ramp[None, :, None], 2, 2, 4.0)
    save(figure, tmp_path / "a.png")
    stored, drawn = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"), float), to_array(figure)
    assert np.abs(stored - drawn).mean() < 4
    Image.fromarray(drawn).save(tmp_path / "b.png")
    assert (tmp_path / "a.png").stat().st_size < 0.5 * (tmp_path / "b.png").stat().st_size


def test_a_heavy_figure_is_stored_with_fewer_pixels(tmp_path):
    figure, noise = blank(9, 9), np.random.default_rng(0).random((900, 900, 3))
    add_picture(figure, noise, 0, 0, 9.0)
    save(figure, tmp_path / "a.png")
    across, _ = Image.open(tmp_path / "a.png").size
    assert 9 * canvas.COARSEST <= across < 9 * canvas.COARSEST / canvas.SMALLER
    assert to_array(figure).shape == (9 * DPI, 9 * DPI, 3)  # the figure itself is as it was
    save(blank(9, 9), tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").size == (9 * DPI, 9 * DPI)


def test_drawn_pictures_keep_their_own_pixels():
    picture = np.zeros((10, 10, 3))
    assert add_picture(blank(4, 4), picture, 0, 0, 4).images[0].get_interpolation() == "nearest"
    assert add_picture(blank(4, 4), np.zeros((400, 400, 3)), 0, 0, 4).images[0].get_interpolation() == "bilinear"


def test_white_is_white_where_many_colours_lie_near_it() -> None:
    pixels = np.random.default_rng(0).integers(235, 256, (300, 300, 3)).astype(np.uint8)
    pixels[::2] = 255
    stored = np.asarray(with_few_colours(pixels).convert("RGB"))
    assert (stored[::2] == 255).all() and np.abs(stored.astype(int) - pixels).max() < 40
