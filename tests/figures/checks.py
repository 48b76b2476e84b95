"""What every figure must satisfy."""

from itertools import combinations, pairwise

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def assert_legible(figure: Figure) -> None:
    """No text overlaps another or a picture, and none leaves the figure."""
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()
    written = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    pictures = [axes.get_window_extent(renderer) for axes in figure.axes if axes.images]
    for name, extent in written:
        assert extent.x0 >= 0 and extent.y0 >= 0 and extent.x1 <= figure.bbox.x1 and extent.y1 <= figure.bbox.y1, name
        assert not any(overlap(extent, picture) for picture in pictures), f"{name} lies on a picture"
    for (first, extent), (second, other) in combinations(written, 2):
        assert not overlap(extent, other), f"{first} and {second} overlap"


def assert_names_apart(figure: Figure) -> None:
    """No two names below an axis touch, and all are in the figure."""
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        names = [label for label in axes.get_xticklabels() if label.get_text()]
        placed = [(label.get_text(), label.get_window_extent(renderer)) for label in names]
        assert all(extent.y0 >= 0 for _, extent in placed)
        for (first, extent), (second, other) in pairwise(placed):
            assert extent.x1 < other.x0, f"{first} and {second} touch"


def overlap(box, other, slack: float = 1.0) -> bool:
    """Whether two boxes share more than `slack` pixels in both directions."""
    wide = min(box.x1, other.x1) - max(box.x0, other.x0)
    high = min(box.y1, other.y1) - max(box.y0, other.y0)
    return wide > slack and high > slack
