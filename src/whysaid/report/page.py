"""`report.html`: all explained photos on one page that needs no server, no network and no other file.

Numbers, texts and pictures go into the page as data (JSON in inert script elements, pictures as data URIs); the page's
own script, in page.html beside this file, draws from them. T words, S words read, h × w cells of a map.
"""

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whysaid.attribution.support.words import DOUBTFUL, warning
from whysaid.data.images import image_of
from whysaid.figures.explained import ExplainedPhoto
from whysaid.figures.overlay import STEEP, STRONGEST, colours
from whysaid.figures.photo_objects import PhotoObject, PhotoObjects
from whysaid.figures.titles import title

PHOTO, TILE = 720, 96
"""Pixels of the longer side of a photo, and of a map over it."""

LEVELS = 31
"""Steps from no cover to the strongest, which keep a page with all methods small."""

_OBJECTS = " Point at an object in the photo, or at its name, to see the photo without it and what is then said."

_TEMPLATE = Path(__file__).with_name("page.html")


class ReportPage:
    """Gathers the photos of a page.

    Args:
        same_range: whether the page begins with one colour range for all words of a photo, rather than one for each.
        doubtful: support below which the page warns of a word, in [0, 1].
    """

    def __init__(self, same_range: bool = False, doubtful: float = DOUBTFUL):
        self.same_range, self.doubtful = same_range, doubtful
        self._articles: list[str] = []
        self._methods: dict[str, None] = {}
        self._has_objects = False

    def add(self, name: str, photo: Image.Image, explained: ExplainedPhoto) -> None:
        """Adds one photo, of any size, under the name by which the reader knows it."""
        self._methods |= dict.fromkeys(explained.maps)
        self._has_objects |= explained.objects is not None
        article = _data("text", _text(name, photo.size, explained, self.doubtful)) + _data(
            "pictures", _pictures(photo, explained)
        )
        self._articles.append(f"<article>{article}</article>")

    def page(self, about: str, skipped: Sequence[str] = ()) -> str:
        """The whole page; `about` says in a sentence where all this comes from, `skipped` what is missing and why."""
        chosen = list(self._methods)[:2][-1]  # the first is the model's own attention
        options = "".join(_option(name, name == chosen) for name in self._methods)
        missing = "".join(f"<li>{html.escape(line)}</li>" for line in skipped)
        palettes = {name: _palette(name == "signed") for name in ("signed", "unsigned")}
        parts = {
            "about": html.escape(about),
            "objects": _OBJECTS if self._has_objects else "",
            "options": options,
            "others": "".join(_option(name, False) for name in self._methods),
            "own": "" if self.same_range else " checked",
            "same": " checked" if self.same_range else "",
            "photos": "\n".join(self._articles),
            "skipped": f"<h2>Left out</h2><ul>{missing}</ul>" if missing else "",
            "palettes": json.dumps(palettes, separators=(",", ":")),
            "strongest": str(STRONGEST),
            "steep": str(STEEP),
            "levels": str(LEVELS),
        }
        # in one pass, so that a caption which looks like a place to fill is left alone
        return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _TEMPLATE.read_text(encoding="utf-8"))


def _option(method: str, selected: bool) -> str:
    mark = " selected" if selected else ""
    return f'<option value="{html.escape(method)}"{mark}>{html.escape(title(method))}</option>'


def _text(name: str, size: tuple[int, int], explained: ExplainedPhoto, doubtful: float) -> dict[str, Any]:
    """The texts and numbers that the page needs at once."""
    methods = [
        {
            "name": method,
            "title": title(method),
            "signed": method in explained.signed,
            "uniform": _rounded(explained.uniform.get(method, 0.0)),
            "shares": _listed(explained.shares.get(method)),
            "limits": [_rounded(np.abs(word_map).max()) for word_map in maps],
            "words": [[_rounded(value) for value in row] for row in explained.words.get(method, [])] or None,
        }
        for method, maps in explained.maps.items()
    ]
    return {
        "name": name,
        "width": size[0],
        "height": size[1],
        "tile": _fitted(size, TILE),
        "said": list(explained.said),
        "first": _first(explained),
        "read": list(explained.read),
        "context_lengths": list(explained.context_lengths),
        "tokens": _tokens(explained),
        "sentinel": None if explained.sentinel is None else [_rounded(value) for value in explained.sentinel],
        "support": None if explained.support is None else list(explained.support),
        "doubtful": doubtful,
        "warning": warning(explained.said, explained.support, doubtful),
        "methods": methods,
        "remark": explained.remark,
        "parts": None if explained.objects is None else [_part(part) for part in explained.objects.ordered],
        "recaptioned": None if explained.objects is None else " ".join(explained.objects.said),
    }


def _listed(shares: NDArray[np.floating] | None) -> list[list[float]] | None:
    """Shares as lists of rounded numbers."""
    return None if shares is None else [[_rounded(part) for part in row] for row in shares]


def _first(explained: ExplainedPhoto) -> int:
    """The said word that is shown before the reader points at one: the first object, or else no stop word."""
    objects = [t for t, support in enumerate(explained.support or ()) if support is not None]
    return next(iter(objects or explained.contents), 0)


def _part(part: PhotoObject) -> dict[str, Any]:
    """One object, in the order in which pictures without it and their places in the outline count."""
    return {
        "name": part.name,
        "importance": None if part.importance is None else _rounded(part.importance),
        "skipped": part.skipped,
        "said": " ".join(part.words),
        "drop": _rounded(part.drop),
        "moved": None if part.moved[1] is None else _rounded(part.moved[1]),
    }


def _pictures(photo: Image.Image, explained: ExplainedPhoto) -> dict[str, Any]:
    """The pictures that the page decodes when the reader comes near it."""
    small = photo.resize(_fitted(photo.size, min(PHOTO, max(photo.size))), Image.Resampling.LANCZOS)
    tile = _fitted(photo.size, TILE)
    maps = {
        method: _uri(_sprite(values, tile), "WEBP", lossless=True, quality=100)
        for method, values in explained.maps.items()
    }
    return {"photo": _uri(small, "JPEG", quality=85), "maps": maps} | _without(explained.objects, tile)


def _without(objects: PhotoObjects | None, tile: tuple[int, int]) -> dict[str, Any]:
    """The photo without each object (null where it was left in), and a map of which object lies where: 0 is none, i + 1
    object i; where two lie over one another, the smaller one."""
    if objects is None:
        return {}
    parts = objects.ordered
    pictures = [None if part.picture is None else _uri(image_of(part.picture), "JPEG", quality=85) for part in parts]
    where = np.zeros(objects.image.shape[:2], np.uint8)
    for i in sorted(range(min(len(pictures), 255)), key=lambda i: -parts[i].mask.sum()):
        if pictures[i] is not None:
            where[parts[i].mask] = i + 1
    outline = Image.fromarray(where).resize(tile, Image.Resampling.NEAREST)
    return {"without": pictures, "outline": _uri(outline, "PNG", optimize=True)}


def _tokens(explained: ExplainedPhoto) -> list[list[Any]]:
    """The words of the page's line, each as [text, index among the said or null, index among the read or null]: the
    words read, and behind them those said. A caption's words are both."""
    said, read = list(explained.said), list(explained.read)
    caption = list(explained.context_lengths) == list(range(1, len(said) + 1)) and read[1:] == said[:-1]
    if caption:  # what is read are `<start>` and its own words
        own = [[word, t, t + 1 if t + 1 < len(read) else None] for t, word in enumerate(said)]
        return [[read[0], None, 0], *own]
    return [[word, None, s] for s, word in enumerate(read)] + [[word, t, None] for t, word in enumerate(said)]


def _sprite(maps: NDArray[np.floating], tile: tuple[int, int]) -> Image.Image:
    """T maps one below the other, as bytes 128 ± LEVELS · √share, the share of a map's own largest |value|.

    The page covers the photo by the root of the share, so that its steps of cover are equal.
    """
    tiles = []
    for word_map in maps:
        cells = np.asarray(Image.fromarray(word_map.astype(np.float32)).resize(tile, Image.Resampling.BILINEAR))
        shares = (cells / (np.abs(word_map).max() or 1.0)).clip(-1, 1)
        tiles.append(128 + np.round(LEVELS * np.sign(shares) * np.sqrt(np.abs(shares))))
    return Image.fromarray(np.concatenate(tiles).astype(np.uint8))


def _palette(signed: bool) -> list[list[int]]:
    """256 colours, red, green and blue in 0 … 255: those of the figures."""
    return [[int(channel) for channel in colour] for colour in colours(signed)(np.arange(256), bytes=True)[:, :3]]


def _fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height of the same shape whose longer side is `longest`."""
    share = longest / max(size)
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _uri(picture: Image.Image, kind: str, **settings: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def _data(name: str, values: Any) -> str:
    """JSON in a script element that does not run and that nothing in the values can close."""
    text = json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" class="{name}">{text}</script>'


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
