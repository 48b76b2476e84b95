import numpy as np
import pytest
from PIL import Image

from whysaid.figures import canvas
from whysaid.figures.canvas import DPI, add_picture, blank, save, to_array


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
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), to_array(figure))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_a_failed_save_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save(blank(1, 1), path)
    before = path.read_bytes()
    monkeypatch.setattr(canvas, "to_array", lambda figure: np.zeros((2, 2), "complex64"))
    with pytest.raises(TypeError):
        save(blank(2, 2), path)
    assert path.read_bytes() == before
