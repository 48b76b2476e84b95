"""Words as HTML: those that name objects underlined by their support, those that were read coloured by relevance."""

from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from whysaid.attribution.support.words import DOUBTFUL, warning
from whysaid.figures.overlay import colours

LEGEND = "Underlined words name objects. The number beneath is the support, the probability that the object is there."


def said_html(
    words: Sequence[str],
    support: Sequence[float | None] | None = None,
    changed: Sequence[int] = (),
    doubtful: float = DOUBTFUL,
) -> str:
    """A line of words, and what there is to say of their support.

    Args:
        words: in their order.
        support: of each word, in [0, 1], or None where there is none. A word that has one is underlined, the longer the
            likelier, with the number beneath.
        changed: places of the words that are new; they are marked.
        doubtful: support below which a word is underlined by dashes, and named in a warning.
    """
    values = [None] * len(words) if support is None else support
    spans = [
        _said(word, value, place in changed, doubtful)
        for place, (word, value) in enumerate(zip(words, values, strict=True))
    ]
    lines = [f'<p class="said">{" ".join(spans)}</p>']
    if any(value is not None for value in values):
        lines.append(f'<p class="legend">{LEGEND}</p>')
    doubts = warning(words, support, doubtful)
    if doubts:
        lines.append(f'<p class="doubts" role="note"><b>Doubtful:</b> {escape(doubts)}</p>')
    return "".join(lines)


def _said(word: str, support: float | None, changed: bool, doubtful: float) -> str:
    text = f"<mark>{escape(word)}</mark>" if changed else escape(word)
    if support is None:
        return text
    kind = "named doubtful" if support < doubtful else "named"
    return (
        f'<span class="{kind}"><span style="--support: {support:.0%}">{text}</span> <small>{support:.2f}</small></span>'
    )


def read_html(read: Sequence[str], relevance: NDArray[np.floating], limit: float, signed: bool = True) -> str:
    """The words that were read, red where they speak for the explained word and blue where they speak against it.

    Args:
        read: S words.
        relevance: (S,) of them.
        limit: the |relevance| of full colour, ≥ 0.
        signed: whether the sign means something; otherwise the words are yellow to dark red by their magnitude.
    """
    palette = colours(signed)
    spans = []
    for word, value in zip(read, relevance.tolist(), strict=True):
        strength = float(np.clip(value / limit, -1, 1)) if limit else 0.0
        ground = palette((strength + 1) / 2 if signed else abs(strength))
        ink = "#fff" if abs(strength) > 0.6 else "#000"
        style = f"background: {to_hex(ground)}; color: {ink}; padding: 0 .25em; border-radius: .2em"
        spans.append(f'<span title="{value:.3g}" style="{style}">{escape(word)}</span>')
    return f'<p class="read">{" ".join(spans)}</p>'


def shares_html(shares: Sequence[tuple[str, float]]) -> str:
    """A table of words and the share, in [0, 1], of what speaks for each that lies in a region."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(word)}</th><td><meter min='0' max='1' value='{share:.3f}'></meter></td>"
        f"<td>{share:.0%}</td></tr>"
        for word, share in shares
    )
    return f"<table class='shares'><caption>Share of each word that rests on the region</caption>{rows}</table>"


def new_places(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """Places of the words of `after` that `before` does not hold so often."""
    left = list(before)
    places = []
    for place, word in enumerate(after):
        if word in left:
            left.remove(word)
        else:
            places.append(place)
    return places
