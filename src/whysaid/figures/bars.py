"""Bars of several methods, with their confidence intervals."""

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from whysaid.figures.canvas import GREY, blank, box
from whysaid.figures.curves import SMALL, add_legend, legend_width, palette
from whysaid.figures.foot_note import foot_note, note_height
from whysaid.figures.text import column_width

BAR, LEFT, TOP, FOOT, HEIGHT = 0.28, 0.75, 0.3, 0.5, 2.8
"""Width of a bar, around the panel, height of the panel; inches."""

FAINT = "#b8b8b8"

Bar = tuple[float, float, float]
"""Value, and the ends of its interval."""


def bars(groups: Mapping[str, Mapping[str, Bar]], label: str, reference: str = "", note: str = "") -> Figure:
    """Draws groups of bars side by side; a method has one colour in all groups.

    Args:
        groups: name of the group → method → value, low, high.
        label: of the vertical axis.
        reference: the name that is no method, in grey.
        note: what bars and lines are, and of how many images, to stand beneath.
    """
    methods = list(dict.fromkeys(name for group in groups.values() for name in group))
    right, step = legend_width(methods), len(methods) + 1.5
    panel = max(3.0, len(groups) * max(BAR * step, column_width(groups, SMALL + 1)))
    width = LEFT + panel + right
    figure = blank(width, TOP + HEIGHT + FOOT + note_height(note, width))
    axes = figure.add_axes(box(figure, LEFT, TOP, panel, HEIGHT))
    others = [name for name in methods if name != reference]
    colours = dict(zip(others, palette(len(others)), strict=True)) | {reference: FAINT}
    handles: list[Artist] = []
    for i, name in enumerate(methods):
        at = [g * step + i for g, group in enumerate(groups.values()) if name in group]
        values = np.array([group[name] for group in groups.values() if name in group])
        ends, style = np.abs(values[:, 1:] - values[:, :1]).T, {"elinewidth": 1, "ecolor": GREY}
        drawn = axes.bar(at, values[:, 0], 0.9, yerr=ends, color=colours[name], error_kw=style)
        handles.append(drawn.patches[0])
    axes.set_xticks([g * step + (len(methods) - 1) / 2 for g in range(len(groups))], list(groups))
    axes.set_xlim(-1.25, len(groups) * step - 1.25)
    axes.set_ylabel(label, fontsize=SMALL + 1)
    axes.tick_params(labelsize=SMALL, colors=GREY)
    axes.tick_params(axis="x", length=0, labelsize=SMALL + 1, colors="black")
    axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(0, color=GREY, linewidth=0.8)
    add_legend(figure, handles, methods, right, TOP + HEIGHT / 2)
    foot_note(figure, note)
    return figure
