"""One small drawing per class, each with its own outline and parts, so that it is known at 20 pixels.

Every function draws with a pen in unit coordinates; `colour` is what a caption would call the object's colour.
"""

from collections.abc import Callable
from math import cos, pi, sin

from whysaid.data.scenes.pen import DARK, LEAF, LIGHT, WOOD, Colour, Pen, shade


def ball(pen: Pen, colour: Colour) -> None:
    pen.oval(colour, 0.5, 0.5, 0.46)
    pen.oval(LIGHT, 0.5, 0.5, 0.36, 0.46)
    pen.oval(colour, 0.5, 0.5, 0.17, 0.46)
    pen.oval(LIGHT, 0.5, 0.08, 0.08, 0.05)


def boat(pen: Pen, colour: Colour) -> None:
    pen.box(WOOD, 0.46, 0.04, 0.52, 0.74)
    pen.polygon(colour, (0.55, 0.06), (0.55, 0.66), (0.96, 0.66))
    pen.polygon(shade(colour, 0.8), (0.43, 0.16), (0.43, 0.66), (0.1, 0.66))
    pen.polygon(WOOD, (0.0, 0.72), (1.0, 0.72), (0.82, 0.96), (0.18, 0.96))
    pen.box(LIGHT, 0.14, 0.78, 0.86, 0.83)


def car(pen: Pen, colour: Colour) -> None:
    pen.polygon(colour, (0.2, 0.5), (0.32, 0.22), (0.68, 0.22), (0.84, 0.5))
    pen.box(colour, 0.0, 0.46, 1.0, 0.76, 0.09)
    pen.polygon(LIGHT, (0.3, 0.47), (0.37, 0.29), (0.47, 0.29), (0.47, 0.47))
    pen.polygon(LIGHT, (0.54, 0.47), (0.54, 0.29), (0.64, 0.29), (0.73, 0.47))
    for x in (0.24, 0.76):
        pen.oval(DARK, x, 0.76, 0.145)
        pen.oval(LIGHT, x, 0.76, 0.06)


def cat(pen: Pen, colour: Colour) -> None:
    pen.ring(colour, 0.74, 0.7, 0.25, 0.1, 270, 110)
    pen.oval(colour, 0.44, 0.77, 0.29, 0.23)
    pen.polygon(colour, (0.12, 0.02), (0.14, 0.34), (0.42, 0.18))
    pen.polygon(colour, (0.76, 0.02), (0.74, 0.34), (0.46, 0.18))
    pen.oval(colour, 0.44, 0.36, 0.33, 0.25)
    for x in (0.3, 0.58):
        pen.oval(LIGHT, x, 0.33, 0.09, 0.09)
        pen.oval(DARK, x, 0.33, 0.045, 0.09)
    pen.polygon(DARK, (0.38, 0.44), (0.5, 0.44), (0.44, 0.52))
    pen.oval(LIGHT, 0.44, 0.82, 0.13, 0.15)


def clock(pen: Pen, colour: Colour) -> None:
    for x in (0.2, 0.8):
        pen.oval(colour, x, 0.16, 0.15)
        pen.stroke(DARK, 0.09, (0.5, 0.56), (0.5 + 1.2 * (x - 0.5), 0.97))
    pen.oval(colour, 0.5, 0.54, 0.42)
    pen.oval(LIGHT, 0.5, 0.54, 0.28)
    pen.stroke(DARK, 0.07, (0.5, 0.34), (0.5, 0.56), (0.64, 0.62))


def cup(pen: Pen, colour: Colour) -> None:
    pen.ring(colour, 0.72, 0.58, 0.26, 0.1)
    pen.polygon(colour, (0.06, 0.3), (0.74, 0.3), (0.66, 0.92), (0.14, 0.92))
    pen.oval(colour, 0.4, 0.92, 0.26, 0.06)
    pen.oval(LIGHT, 0.4, 0.3, 0.34, 0.09)
    pen.oval(WOOD, 0.4, 0.31, 0.26, 0.06)
    for x in (0.28, 0.52):
        pen.stroke(LIGHT, 0.06, (x, 0.2), (x + 0.06, 0.13), (x - 0.02, 0.08), (x + 0.04, 0.0))


def fish(pen: Pen, colour: Colour) -> None:
    pen.polygon(shade(colour, 0.75), (0.62, 0.5), (1.0, 0.2), (0.92, 0.5), (1.0, 0.8))
    pen.polygon(shade(colour, 0.75), (0.26, 0.32), (0.46, 0.1), (0.62, 0.34))
    pen.oval(colour, 0.38, 0.52, 0.38, 0.27)
    pen.ring(LIGHT, 0.2, 0.52, 0.27, 0.05, 310, 50)
    pen.polygon(shade(colour, 0.75), (0.48, 0.54), (0.68, 0.44), (0.66, 0.66))
    pen.oval(LIGHT, 0.2, 0.46, 0.085)
    pen.oval(DARK, 0.19, 0.46, 0.045)


def flower(pen: Pen, colour: Colour) -> None:
    pen.stroke(LEAF, 0.08, (0.5, 0.4), (0.5, 1.0))
    pen.polygon(LEAF, (0.5, 0.96), (0.2, 0.68), (0.46, 0.76))
    pen.polygon(LEAF, (0.5, 0.96), (0.8, 0.68), (0.54, 0.76))
    for petal in range(5):
        angle = (2 * petal / 5 - 0.5) * pi
        pen.oval(colour, 0.5 + 0.21 * cos(angle), 0.35 + 0.21 * sin(angle), 0.145)
    pen.oval(DARK, 0.5, 0.35, 0.12)
    pen.oval(LIGHT, 0.5, 0.35, 0.08)


def house(pen: Pen, colour: Colour) -> None:
    pen.box(WOOD, 0.7, 0.06, 0.83, 0.4)
    pen.box(colour, 0.12, 0.44, 0.88, 0.98)
    pen.polygon(shade(colour, 0.6), (0.5, 0.02), (1.0, 0.48), (0.0, 0.48))
    pen.box(DARK, 0.56, 0.64, 0.76, 0.98)
    pen.box(LIGHT, 0.22, 0.58, 0.46, 0.8)
    pen.stroke(DARK, 0.035, (0.34, 0.58), (0.34, 0.8))
    pen.stroke(DARK, 0.035, (0.22, 0.69), (0.46, 0.69))


def key(pen: Pen, colour: Colour) -> None:
    pen.ring(colour, 0.24, 0.5, 0.24, 0.12)
    pen.box(colour, 0.44, 0.44, 1.0, 0.57)
    pen.box(colour, 0.88, 0.5, 1.0, 0.78)
    pen.box(colour, 0.68, 0.5, 0.79, 0.72)
    pen.box(shade(colour, 0.6), 0.48, 0.38, 0.55, 0.63)


def kite(pen: Pen, colour: Colour) -> None:
    pen.stroke(WOOD, 0.05, (0.62, 0.66), (0.5, 0.76), (0.38, 0.72), (0.22, 0.84), (0.06, 0.98))
    for x, y in ((0.44, 0.74), (0.16, 0.88)):
        pen.polygon(colour, (x, y), (x - 0.09, y - 0.12), (x + 0.03, y - 0.14))
        pen.polygon(colour, (x, y), (x + 0.1, y + 0.1), (x - 0.02, y + 0.13))
    pen.polygon(colour, (0.6, 0.0), (1.0, 0.26), (0.62, 0.7), (0.26, 0.3))
    pen.polygon(shade(colour, 0.7), (0.6, 0.0), (0.62, 0.7), (0.26, 0.3))
    pen.stroke(LIGHT, 0.04, (0.6, 0.02), (0.62, 0.68))
    pen.stroke(LIGHT, 0.04, (0.28, 0.3), (0.97, 0.27))


def lamp(pen: Pen, colour: Colour) -> None:
    pen.box(DARK, 0.45, 0.5, 0.55, 0.92)
    pen.half(DARK, 0.5, 0.98, 0.28, 0.13)
    pen.polygon(colour, (0.3, 0.04), (0.7, 0.04), (0.94, 0.54), (0.06, 0.54))
    pen.polygon(LIGHT, (0.4, 0.1), (0.5, 0.1), (0.42, 0.48), (0.26, 0.48))
    pen.stroke(DARK, 0.04, (0.76, 0.54), (0.76, 0.7))


def mushroom(pen: Pen, colour: Colour) -> None:
    pen.polygon(LIGHT, (0.38, 0.5), (0.62, 0.5), (0.7, 0.98), (0.3, 0.98))
    pen.half(colour, 0.5, 0.56, 0.48, 0.5)
    pen.box(shade(colour, 0.65), 0.03, 0.52, 0.97, 0.59, 0.03)
    pen.oval(LIGHT, 0.28, 0.38, 0.1)
    pen.oval(LIGHT, 0.56, 0.22, 0.09)
    pen.oval(LIGHT, 0.74, 0.41, 0.085)


def star(pen: Pen, colour: Colour) -> None:
    def spikes(scale: float) -> list[tuple[float, float]]:
        radii = [scale * (0.52 if corner % 2 == 0 else 0.22) for corner in range(10)]
        angles = [(corner / 5 - 0.5) * pi for corner in range(10)]
        return [(0.5 + r * cos(a), 0.53 + r * sin(a)) for r, a in zip(radii, angles, strict=True)]

    pen.polygon(colour, *spikes(1.0))
    pen.polygon(shade(colour, 0.78), *spikes(0.5))


def tree(pen: Pen, colour: Colour) -> None:
    pen.polygon(WOOD, (0.42, 0.6), (0.58, 0.6), (0.66, 1.0), (0.34, 1.0))
    for x, y, radius in ((0.26, 0.48, 0.22), (0.74, 0.48, 0.22), (0.5, 0.54, 0.2), (0.5, 0.27, 0.27)):
        pen.oval(colour, x, y, radius)
    for x, y in ((0.3, 0.46), (0.52, 0.22), (0.68, 0.52)):
        pen.ring(shade(colour, 0.6), x, y, 0.11, 0.045, 30, 190)


def umbrella(pen: Pen, colour: Colour) -> None:
    pen.stroke(DARK, 0.07, (0.5, 0.04), (0.5, 0.88))
    pen.ring(DARK, 0.615, 0.85, 0.15, 0.07, 0, 180)
    pen.half(colour, 0.5, 0.54, 0.48, 0.46)
    for x in (0.18, 0.5, 0.82):
        pen.half(shade(colour, 0.6), x, 0.55, 0.14, 0.1)
    pen.stroke(shade(colour, 0.7), 0.035, (0.34, 0.48), (0.5, 0.1), (0.66, 0.48))


ICONS: dict[str, Callable[[Pen, Colour], None]] = {
    icon.__name__: icon
    for icon in (
        *(ball, boat, car, cat, clock, cup, fish, flower),
        *(house, key, kite, lamp, mushroom, star, tree, umbrella),
    )
}
"""Class name → its drawing."""
