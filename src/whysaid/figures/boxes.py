"""How values are distributed in each of several groups: medians, quartiles and whiskers."""

from collections.abc import Mapping, Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from whysaid.figures.canvas import GREY, blank, box
from whysaid.figures.curves import SMALL, add_legend, legend_width, palette
from whysaid.figures.foot_note import foot_note, note_height
from whysaid.figures.text import column_width

BOX, LEFT, TOP, HEIGHT, GAP, FOOT = 0.2, 0.8, 0.3, 2.4, 0.5, 0.45
"""Width of a box, around panels, height of a panel, between panels; inches."""


def boxes(panels: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]], note: str = "") -> Figure:
    """Draws panels below one another: whiskers reach 1.5 quartile ranges, dots are values beyond.

    Args:
        panels: label of the vertical axis → group along the horizontal axis → series → its values. A series has one
            colour in all panels; one without any value is left out.
        note: of how many questions this is, to stand beneath.
    """
    every = [pair for groups in panels.values() for group in groups.values() for pair in group.items()]
    series = list(dict.fromkeys(name for name, values in every if values))
    right, step = legend_width(series), len(series) + 1.5
    widest = max(len(groups) for groups in panels.values())
    names = [name for groups in panels.values() for name in groups]
    width = max(3.0, widest * max(BOX * step, column_width(names, SMALL)))
    whole = LEFT + width + right
    figure = blank(whole, TOP + len(panels) * (HEIGHT + GAP) - GAP + FOOT + note_height(note, whole))
    colours = palette(len(series))
    handles: dict[str, Artist] = {}
    for row, (label, groups) in enumerate(panels.items()):
        axes = figure.add_axes(box(figure, LEFT, TOP + row * (HEIGHT + GAP), width, HEIGHT))
        for i, name in enumerate(series):
            at = [g * step + i for g, group in enumerate(groups.values()) if group.get(name)]
            values = [group[name] for group in groups.values() if group.get(name)]
            if values:
                drawn = axes.boxplot(
                    values,
                    positions=at,
                    widths=0.75,
                    patch_artist=True,
                    boxprops={"facecolor": colours[i], "linewidth": 0.6},
                    medianprops={"color": "black"},
                    whiskerprops={"linewidth": 0.6},
                    capprops={"linewidth": 0.6},
                    flierprops={"marker": ".", "markersize": 2, "markeredgecolor": GREY},
                    manage_ticks=False,
                )
                handles.setdefault(name, drawn["boxes"][0])
        axes.set_xticks([g * step + (len(series) - 1) / 2 for g in range(len(groups))], list(groups))
        axes.set_xlim(-1, len(groups) * step - 1)
        axes.set_ylabel(label, fontsize=SMALL + 1)
        axes.tick_params(labelsize=SMALL, colors=GREY)
        axes.tick_params(axis="x", length=0, labelsize=SMALL, colors="black")
        axes.spines[["top", "right"]].set_visible(False)
    add_legend(figure, list(handles.values()), list(handles), right, figure.get_size_inches()[1] / 2)
    foot_note(figure, note)
    return figure
