"""What the page does: each act takes values of the page and gives what it shows then."""

import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whysaid.app.exploration import Exploration, Shown, enlarged
from whysaid.app.filling import Filling
from whysaid.app.objects import FoundObject, at_point, outlined
from whysaid.app.words import new_places, read_html, said_html, shares_html
from whysaid.assemble.subject import Subject
from whysaid.attribution.support.words import DOUBTFUL
from whysaid.data.images import load_image
from whysaid.data.instances import Detector
from whysaid.errors import UserError
from whysaid.figures.titles import title
from whysaid.report.album import Album

PAINTED = -1
"""The choice of what is painted, where no object is chosen."""

PAINTING = ("what I paint", PAINTED)
"""That choice as it is offered."""

UNMADE = "Make the report"
"""What the button of a report says before it is made."""

Layers = dict[str, Any] | None
"""What an image editor gives: `background`, and `layers` of what was painted, (H, W, 4) uint8."""


def answering(act: Callable[..., Any]) -> Callable[..., Any]:
    """Turns a UserError into a message on the page."""

    @wraps(act)
    def acted(*values: Any) -> Any:
        try:
            return act(*values)
        except UserError as error:
            raise gr.Error(str(error), duration=None, print_exception=False) from None

    return acted


@dataclass(frozen=True)
class Acts:
    """The acts of the page of one model. What belongs to one user is in that user's `Exploration` alone.

    subject: the model. filling: takes painted regions out. folder: where reports are written. doubtful: support, in
    [0, 1], below which the page warns of a word. detector: finds objects to click; None leaves that out.
    """

    subject: Subject
    filling: Filling
    folder: str
    doubtful: float = DOUBTFUL
    detector: Detector | None = None

    @answering
    def look(self, path: str | None, question: str) -> list[Any]:
        """Asks the model about a photo. Gives the exploration, the words said, a remark, the words to choose from, the
        photo to paint on, a text to change; and empties the answers to other acts."""
        hidden = gr.Image(None, visible=False)
        emptied = [gr.HTML(""), gr.HTML(""), hidden, gr.HTML(""), hidden, choice_of([]), hidden, self.unmade()]
        if path is None:
            return [None, "", "", gr.Radio(choices=[], value=None), None, "", *emptied]
        explored = Exploration.of(self.subject, load_image(path), question=question or None)
        return [
            explored,
            said_html(explored.words, explored.support, doubtful=self.doubtful),
            explored.sentence.remark,
            gr.Radio(
                choices=[(word, place) for place, word in enumerate(explored.words)], value=len(explored.words) - 1
            ),
            {"background": np.asarray(enlarged(explored.photo)), "layers": [], "composite": None},
            " ".join(explored.words),
            *emptied,
        ]

    @property
    def ckpt(self) -> str:
        """Where the model comes from, as it is typed."""
        return str(self.subject.checkpoint.path)

    @answering
    def show(
        self, explored: Exploration | None, place: int | None, first: str, second: str, *how: Any
    ) -> tuple[gr.Image, gr.Image, str, str]:
        """Shows the maps of one word by two methods, the words that were read before it, and the command that makes
        the report of both."""
        if explored is None or place is None:
            return gr.Image(None), gr.Image(None), "", ""
        pictures = [
            gr.Image(
                explored.picture(method, place, Shown(*how)),
                label=f"{title(method)}: {explored.words[place]}",
                visible=True,
            )
            if method
            else gr.Image(None, visible=False)
            for method in (first, second)
        ]
        return pictures[0], pictures[1], read_before(explored, first, place), self.command(explored, first, second)

    def command(self, explored: Exploration, *methods: str) -> str:
        """The command that explains a photo by the same methods, and asks the same."""
        names = list(dict.fromkeys(method for method in methods if method))
        chosen = names[0] if len(names) == 1 else f"[{','.join(names)}]"
        options = [f'{name}="{value}"' for name, value in explored.options.items()]
        settings = [f"ckpt={self.ckpt}", "image=PHOTO", f"attribution={chosen}", *options]
        return " ".join(["python -m src.explain", *map(shlex.quote, settings)])

    @answering
    def find(self, explored: Exploration | None) -> tuple[gr.Radio, gr.Image]:
        """Shows the objects that the detector finds, to choose one of."""
        explored = known(explored)
        assert self.detector is not None, "the page has a button for this only where there is one"
        explored.find_objects(self.detector)
        return choice_of(explored.objects), self.choose(explored, PAINTED)

    @answering
    def choose(self, explored: Exploration | None, chosen: int) -> gr.Image:
        """Shows which object is chosen."""
        explored = known(explored)
        return gr.Image(enlarged(outlined(explored.photo, explored.objects, chosen)), visible=True)

    @answering
    def pick(self, explored: Exploration | None, event: gr.SelectData) -> int:
        """The object at the place that was clicked."""
        explored = known(explored)
        width, height = enlarged(explored.photo).size
        place = at_point(explored.objects, event.index[0] / width, event.index[1] / height)
        return PAINTED if place is None else place

    @answering
    def rest(self, explored: Exploration | None, layers: Layers, method: str, chosen: int = PAINTED) -> str:
        """Tells how much of each word rests on the chosen object or, without one, on the painted region."""
        explored = known(explored)
        mask = region(layers, explored.photo.size) if chosen == PAINTED else explored.objects[chosen].mask
        return shares_html(explored.resting_on(mask, method))

    @answering
    def take_out(self, explored: Exploration | None, layers: Layers, chosen: int = PAINTED) -> tuple[str, gr.Image]:
        """Fills the chosen object or, without one, the painted region, and tells what is said then."""
        before = known(explored)
        hole = region(layers, before.photo.size) if chosen == PAINTED else before.objects[chosen].hole
        after = before.without(hole, self.filling)
        line = said_html(after.words, after.support, new_places(before.words, after.words), self.doubtful)
        return line, gr.Image(enlarged(after.photo), visible=True)

    @answering
    def instead(self, explored: Exploration | None, text: str, method: str) -> tuple[str, gr.Image]:
        """Shows why the model says what it says rather than another text."""
        compared = known(explored).rather(text)
        return said_html(compared.words), gr.Image(compared.picture(method, 0, Shown()), visible=True)

    @staticmethod
    def unmade() -> gr.DownloadButton:
        """The button of a report that nobody has made: of another photo, or by other methods."""
        return gr.DownloadButton(UNMADE, value=None)

    @answering
    def write_report(self, explored: Exploration | None, path: str | None, *methods: str) -> gr.DownloadButton:
        """Writes the report of the photo with the two methods."""
        explored = known(explored)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        album = Album(folder, doubtful=self.doubtful)
        maps = {method: explored.maps(method) for method in dict.fromkeys(methods) if method}
        album.add(Path(path or "photo.png"), explored.photo, explored.supported(), maps)
        album.finish(self.subject.checkpoint)
        return gr.DownloadButton("Download the report", value=str(folder / "report.html"))


def choice_of(objects: Sequence[FoundObject]) -> gr.Radio:
    """What may be asked about: the painted region, which is chosen, and objects, where there are any."""
    choices = [PAINTING, *((found.name, place) for place, found in enumerate(objects))]
    return gr.Radio(choices, value=PAINTED, visible=bool(objects))


def known(explored: Exploration | None) -> Exploration:
    """The user's photo; UserError where there is none yet."""
    if explored is None:
        raise UserError("there is no photo yet: choose one first")
    return explored


def region(layers: Layers, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The painted mask (H, W), for a photo of a width and height.

    Raises:
        UserError: nothing is painted.
    """
    painted = [] if layers is None else [np.asarray(layer) for layer in layers.get("layers", [])]
    if not painted:
        raise UserError("no region is painted: paint over a part of the photo first")
    mask = Image.fromarray(np.any([layer[..., 3] > 0 for layer in painted], axis=0))
    return np.asarray(mask.resize(size, Image.Resampling.NEAREST))


def read_before(explored: Exploration, method: str, place: int) -> str:
    """The words that were read before a word, coloured by what a method says of them; nothing where it says nothing."""
    method_maps = explored.maps(method)
    if method_maps.words is None or not method_maps.reads:
        return ""
    length = explored.sentence.context_lengths[place]
    relevance = method_maps.words[place, :length]
    largest = float(np.abs(relevance).max())
    line = read_html(explored.sentence.read[:length], relevance, largest, method_maps.signed)
    sentinel = explored.sentence.about.get("sentinel")
    share = "" if sentinel is None else f"<p>{sentinel[place]:.0%} of the attention went to the memory of the text.</p>"
    return line + share
