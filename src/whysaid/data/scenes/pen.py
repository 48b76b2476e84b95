"""Drawing in unit coordinates, whatever the number of pixels."""

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

DARK: Colour = (46, 42, 56)
LIGHT: Colour = (246, 243, 234)
WOOD: Colour = (122, 82, 48)
LEAF: Colour = (62, 118, 58)


def shade(colour: Colour, factor: float) -> Colour:
    """Makes a colour (0–255) darker by a factor in [0, 1]."""
    red, green, blue = (round(factor * channel) for channel in colour)
    return red, green, blue


class Pen:
    """Draws on a transparent square; x runs right and y runs down from (0, 0) to (1, 1).

    Args:
        side: of the square, in pixels.
    """

    def __init__(self, side: int):
        self.image = Image.new("RGBA", (side, side))
        self._draw = ImageDraw.Draw(self.image)
        self._side = side

    def _pixels(self, points: tuple[Point, ...]) -> list[Point]:
        return [(x * self._side, y * self._side) for x, y in points]

    def polygon(self, colour: Colour, *points: Point) -> None:
        """Draws a filled polygon."""
        self._draw.polygon(self._pixels(points), colour)

    def box(self, colour: Colour, left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> None:
        """Draws a filled rectangle, its corners rounded by `radius`."""
        box = self._pixels(((left, top), (right, bottom)))
        self._draw.rounded_rectangle(box, radius * self._side, colour)

    def oval(self, colour: Colour, x: float, y: float, across: float, down: float | None = None) -> None:
        """Draws a filled ellipse about (x, y) with half-axes `across` and `down` (a circle when not given)."""
        down = across if down is None else down
        self._draw.ellipse(self._pixels(((x - across, y - down), (x + across, y + down))), colour)

    def ring(
        self, colour: Colour, x: float, y: float, radius: float, width: float, start: int = 0, end: int = 360
    ) -> None:
        """Draws an arc about (x, y), clockwise from `start` to `end` degrees (0 = east); `radius` is the outer one."""
        box = self._pixels(((x - radius, y - radius), (x + radius, y + radius)))
        self._draw.arc(box, start, end, colour, max(1, round(width * self._side)))

    def half(self, colour: Colour, x: float, y: float, across: float, down: float) -> None:
        """Draws the upper half of an ellipse about (x, y)."""
        box = self._pixels(((x - across, y - down), (x + across, y + down)))
        self._draw.pieslice(box, 180, 360, colour)

    def stroke(self, colour: Colour, width: float, *points: Point) -> None:
        """Draws a line through the points."""
        self._draw.line(self._pixels(points), colour, max(1, round(width * self._side)), joint="curve")
