"""Textured and structured grounds: what an object hides cannot be guessed from the mean of its border.

Each pattern maps (x, y, rng) → weight of the second tint, (S, S) in [0, 1]; x and y are (S, S) in [0, 1], y downwards.
"""

import random
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.floating]

GRAIN = 5
"""Amplitude of the grain laid over every ground, of 255."""


def tiles(x: Grid, y: Grid, rng: random.Random) -> Grid:
    count, fx, fy = rng.uniform(4.5, 7.5), rng.random(), rng.random()
    u, v = x * count + fx, y * count + fy
    joint = np.maximum(np.abs(u % 1 - 0.5), np.abs(v % 1 - 0.5)) > 0.43
    return np.where(joint, 1.0, 0.25 + 0.3 * _chequer(u, v))


def stripes(x: Grid, y: Grid, rng: random.Random) -> Grid:
    count, phase = rng.uniform(5, 9), rng.random()
    slant = rng.choice((0.0, 0.0, 1.0, -1.0))
    return _soft_edge((x + slant * y) * count + phase)


def checks(x: Grid, y: Grid, rng: random.Random) -> Grid:
    count, fx, fy = rng.uniform(5, 8), rng.random(), rng.random()
    return 0.5 * _soft_edge(x * count + fx) + 0.5 * _soft_edge(y * count + fy)


def bricks(x: Grid, y: Grid, rng: random.Random) -> Grid:
    rows, fx, fy = rng.uniform(7, 10), rng.random(), rng.random()
    v = y * rows + fy
    u = x * rows / 2 + fx + 0.5 * (np.floor(v) % 2)
    joint = (v % 1 < 0.17) | (u % 1 < 0.09)
    return np.where(joint, 1.0, 0.45 * _scatter(np.floor(u), np.floor(v)))


def planks(x: Grid, y: Grid, rng: random.Random) -> Grid:
    count, fx, fy = rng.uniform(4, 7), rng.random(), rng.random()
    u = x * count + fx
    board = np.floor(u)
    veins = 0.5 + 0.5 * np.sin(2 * np.pi * (3 * u + 0.35 * np.sin(7 * (y + fy) + 3 * board)))
    return np.where(u % 1 < 0.1, 1.0, 0.3 * veins + 0.35 * _scatter(board, board))


def dots(x: Grid, y: Grid, rng: random.Random) -> Grid:
    count, fx, fy = rng.uniform(5, 8), rng.random(), rng.random()
    v = y * count + fy
    u = x * count + fx + 0.5 * (np.floor(v) % 2)
    return np.clip((0.34 - np.hypot(u % 1 - 0.5, v % 1 - 0.5)) * 12, 0, 1)


PATTERNS: dict[str, Callable[[Grid, Grid, random.Random], Grid]] = {
    pattern.__name__: pattern for pattern in (tiles, stripes, checks, bricks, planks, dots)
}

TINTS = {
    "tiles": ((186, 206, 210), (236, 236, 230)),
    "stripes": ((222, 206, 180), (178, 190, 160)),
    "checks": ((236, 230, 218), (168, 150, 172)),
    "bricks": ((172, 112, 92), (218, 204, 190)),
    "planks": ((196, 158, 112), (118, 86, 58)),
    "dots": ((162, 182, 196), (238, 228, 206)),
}
"""Pattern → its two colours, before a scene's own change of hue."""


def meadow(x: Grid, y: Grid, rng: random.Random) -> Grid:
    sky = _blend(y / 0.5, (126, 178, 226), (216, 232, 240))
    blades = 0.5 + 0.5 * np.sin(40 * x + 9 * np.sin(23 * y + 6 * rng.random()))
    grass = _blend(0.55 * blades + 0.45 * y, (136, 184, 92), (72, 124, 56))
    return _horizon(y, _hills(x, rng, 0.36, 0.6), sky, grass)


def sea(x: Grid, y: Grid, rng: random.Random) -> Grid:
    sky = _blend(y / 0.5, (236, 218, 200), (250, 240, 226))
    waves = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(9, 12) * y**1.4 + 0.3 * np.sin(15 * x + 6 * rng.random())))
    water = _blend(0.6 * waves + 0.4 * y, (128, 190, 206), (40, 96, 140))
    return _horizon(y, np.full_like(x, rng.uniform(0.3, 0.55)), sky, water)


def mountains(x: Grid, y: Grid, rng: random.Random) -> Grid:
    sky = _blend(y / 0.6, (150, 160, 190), (226, 214, 214))
    slopes, phase = rng.uniform(1.5, 2.5), rng.random()
    ridge = rng.uniform(0.2, 0.3) + 0.5 * np.abs((slopes * x + phase) % 1 - 0.5)
    rock = _blend((y - ridge) * 2.2, (246, 248, 250), (110, 108, 124))
    valley = _blend(_scatter(np.floor(14 * x), np.floor(20 * y)), (150, 146, 130), (176, 170, 150))
    return _horizon(y, np.full_like(x, 0.68), _horizon(y, ridge, sky, rock), valley)


def sunset(x: Grid, y: Grid, rng: random.Random) -> Grid:
    bands = np.floor(y * rng.uniform(7, 10) + 0.25 * np.sin(9 * x + 6 * rng.random())) / 7
    sky = _blend(bands, (98, 82, 134), (244, 172, 118))
    dunes = _blend(0.5 + 0.5 * np.sin(34 * y + 6 * x), (92, 66, 84), (132, 92, 92))
    return _horizon(y, _hills(x, rng, 0.62, 0.75), sky, dunes)


VIEWS: dict[str, Callable[[Grid, Grid, random.Random], Grid]] = {
    view.__name__: view for view in (meadow, sea, mountains, sunset)
}

BACKGROUNDS = (*PATTERNS, *VIEWS)
"""The names of all grounds."""


def background(kind: str, key: str, size: int) -> NDArray[np.float32]:
    """A ground without objects.

    Args:
        kind: of `BACKGROUNDS`.
        key: fixes all that varies: phase, spacing, slant, tints, grain.
        size: S, side in pixels.

    Returns:
        (S, S, 3) float32 in [0, 255].
    """
    rng = random.Random(key)
    x, y = _coordinates(size)
    if kind in PATTERNS:
        first, second = (_shifted(tint, rng) for tint in TINTS[kind])
        ground = _blend(PATTERNS[kind](x, y, rng), first, second)
        angle = rng.uniform(0, 2 * np.pi)
        light = 1 + 0.22 * (np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5))
        ground *= light[..., None]
    else:
        ground = VIEWS[kind](x, y, rng)
    grain = np.random.default_rng(rng.getrandbits(64)).integers(-GRAIN, GRAIN + 1, (size, size, 1))
    return np.clip(ground + grain, 0, 255).astype(np.float32)


@lru_cache(maxsize=4)
def _coordinates(size: int) -> tuple[Grid, Grid]:
    """Centres of the pixels: x (S, S) and y (S, S) in (0, 1)."""
    ticks = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(ticks, ticks)
    return x, y


def _shifted(tint: tuple[int, int, int], rng: random.Random) -> tuple[float, float, float]:
    red, green, blue = (channel + rng.uniform(-16, 16) for channel in tint)
    return red, green, blue


def _blend(weight: Grid, first: tuple[float, ...], second: tuple[float, ...]) -> Grid:
    """(S, S) weights, clipped to [0, 1], to colours (S, S, 3)."""
    weight = np.clip(weight, 0, 1)[..., None]
    low, high = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return low + weight * (high - low)


def _horizon(y: Grid, line: Grid, above: Grid, below: Grid) -> Grid:
    return np.where((y < line)[..., None], above, below)


def _hills(x: Grid, rng: random.Random, low: float, high: float) -> Grid:
    """Height (S, S) of a rolling horizon about a level within [low, high]."""
    return rng.uniform(low, high) + 0.05 * np.sin(rng.uniform(4, 9) * x + 6 * rng.random())


def _soft_edge(u: Grid) -> Grid:
    """A square wave of period 1, its edges softened."""
    return np.clip(0.5 + 8 * (np.abs(u % 1 - 0.5) - 0.25), 0, 1)


def _chequer(u: Grid, v: Grid) -> Grid:
    return (np.floor(u) + np.floor(v)) % 2


def _scatter(u: Grid, v: Grid) -> Grid:
    """A fixed value in [0, 1) for each cell (u, v), without visible order."""
    return (0.618034 * u + 0.754878 * v + 0.3819 * u * v) % 1
