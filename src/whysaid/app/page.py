"""The page: a photo goes in; what is said of it, and every why, comes out.

Here stands where everything is. What happens is in acts.py.
"""

from typing import Any, NamedTuple

import gradio as gr

from whysaid.app.acts import PAINTED, PAINTING, UNMADE, Acts
from whysaid.app.exploration import SIGNS
from whysaid.assemble.methods import method_names
from whysaid.figures.titles import title

FORGET = 3600
"""Seconds after which the photo of a user who has left is forgotten."""

CSS = """
body { --likely: #1a7f37; --unlikely: #c62828 } body.dark { --likely: #4ac26b; --unlikely: #ff7b72 }
.said { font-size: 1.3em; line-height: 1.8; overflow-wrap: anywhere } .said mark { background: #fd6; color: #000 }
.named { display: inline-flex; flex-direction: column; align-items: center; line-height: 1.3; --ink: var(--likely) }
.named.doubtful { --ink: var(--unlikely) } .named > small { font-size: .6em; color: var(--ink) }
.named > span { padding-bottom: 4px; --bar: linear-gradient(var(--ink) 0 0); background:
  var(--bar) 0 100% / var(--support) 4px no-repeat,
  linear-gradient(color-mix(in srgb, var(--ink) 35%, transparent) 0 0) 0 100% / 100% 4px no-repeat }
.named.doubtful > span { --bar: repeating-linear-gradient(90deg, var(--ink) 0 4px, transparent 4px 7px) }
.legend { font-size: .85em; opacity: .8 }
.doubts { padding: .5em .75em; border-left: 5px solid var(--unlikely) }
.read { line-height: 2 } .shares { width: 100% } .shares caption, .shares th { text-align: left }
"""

THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
"""Fonts of the reader's own machine: nothing is asked of any other."""


class Asked(NamedTuple):
    """What the model is asked about."""

    photo: gr.Image
    question: gr.Textbox
    ask: gr.Button


class Explained(NamedTuple):
    """What it says, and how that is explained."""

    said: gr.HTML
    remark: gr.Markdown
    word: gr.Radio
    first: gr.Dropdown
    second: gr.Dropdown
    sign: gr.Radio
    opacity: gr.Slider
    same_range: gr.Checkbox

    @property
    def choices(self) -> list[Any]:
        """Whatever changes the maps."""
        return [self.word, self.first, self.second, self.sign, self.opacity, self.same_range]


class PictureTab(NamedTuple):
    """Asking the picture."""

    painting: gr.ImageEditor
    find: gr.Button
    chosen: gr.Radio
    found: gr.Image
    rests: gr.Button
    remove: gr.Button
    shares: gr.HTML
    without: gr.HTML
    filled: gr.Image


class WordsTab(NamedTuple):
    """Asking the words."""

    other: gr.Textbox
    why: gr.Button
    rather: gr.HTML
    rather_map: gr.Image


def build_page(acts: Acts, examples: list[str]) -> gr.Blocks:
    """Lays out the page of one model.

    Args:
        acts: what it does.
        examples: paths of photos to begin with.
    """
    questions = "question" in acts.subject.options
    with gr.Blocks(title="whysaid", delete_cache=(600, FORGET)) as page:
        state = gr.State(None, time_to_live=FORGET)
        gr.Markdown(f"# whysaid\nWhat a {acts.subject.kind} says of your photo, and why. `{acts.ckpt}`")
        with gr.Row():
            with gr.Column():
                asked = asked_column(questions, examples)
            with gr.Column():
                explained = explained_column()
        with gr.Row():
            first_map, second_map = picture("Method", "first-map"), picture("Compared with", "second-map")
        read = gr.HTML(label="Words that were read", elem_id="read")
        with gr.Tab("Ask the picture"):
            region = picture_tab(acts.detector is not None)
        with gr.Tab("Ask the words"):
            words = words_tab(questions)
        with gr.Accordion("Take it with you", open=False):
            gr.Markdown("The report of this photo with the two methods, and the command that makes one:")
            report = gr.DownloadButton(UNMADE, elem_id="report")
            command = gr.Code(language="shell", label="Command", elem_id="command")

        looked = [state, explained.said, explained.remark, explained.word, region.painting, words.other]
        regions = [region.shares, region.without, region.filled]
        answers = [*regions, words.rather, words.rather_map, region.chosen, region.found, report]
        view, maps = [state, *explained.choices], [first_map, second_map, read, command]
        events = (asked.question.submit, asked.ask.click) if questions else (asked.photo.change,)
        for event in events:
            event(acts.look, [asked.photo, asked.question], [*looked, *answers]).then(acts.show, view, maps)
        for control in explained.choices:
            control.input(acts.show, view, maps, show_progress="minimal")
        for method in (explained.first, explained.second):
            method.input(acts.unmade, None, report, show_progress="hidden")
        region.find.click(acts.find, state, [region.chosen, region.found])
        region.found.select(acts.pick, state, region.chosen).then(
            acts.choose, [state, region.chosen], region.found, show_progress="hidden"
        )
        region.chosen.input(acts.choose, [state, region.chosen], region.found, show_progress="hidden")
        region.rests.click(acts.rest, [state, region.painting, explained.first, region.chosen], region.shares)
        region.remove.click(acts.take_out, [state, region.painting, region.chosen], [region.without, region.filled])
        words.why.click(acts.instead, [state, words.other, explained.first], [words.rather, words.rather_map])
        report.click(acts.write_report, [state, asked.photo, explained.first, explained.second], report)
    return page


def asked_column(questions: bool, examples: list[str]) -> Asked:
    """The photo and, where the model answers questions, the question."""
    photo = gr.Image(
        type="filepath", label="Photo", sources=["upload", "clipboard", "webcam"], height=320, elem_id="photo"
    )
    photo.preprocess = path_of  # type: ignore[method-assign, assignment]  # read by the act, which tells what is wrong with it
    question = gr.Textbox(
        label="Question", placeholder="what colour is the ball?", visible=questions, elem_id="question"
    )
    ask = gr.Button("Ask", variant="primary", visible=questions)
    gr.Examples([[path] for path in examples], photo, label="Photos to begin with")
    return Asked(photo, question, ask)


def path_of(upload: Any) -> str | None:
    """The path of an uploaded file, unread."""
    return None if upload is None else str(upload.path)


def explained_column() -> Explained:
    """The words that are said, and the choices of how one of them is explained."""
    methods = [(title(name), name) for name in method_names()]
    said = gr.HTML(label="What is said", elem_id="said")
    remark = gr.Markdown(elem_id="remark")
    word = gr.Radio([], label="Word to explain", elem_id="word")
    with gr.Row():
        first = gr.Dropdown(methods, value="lrp", label="Method", elem_id="first")
        second = gr.Dropdown([("none", ""), *methods], value="attention", label="Compare with", elem_id="second")
    with gr.Accordion("How maps are shown", open=False):
        sign = gr.Radio(list(SIGNS), value="both", label="Speaks for or against the word", elem_id="sign")
        opacity = gr.Slider(0, 1, 1, label="Opacity of the map", elem_id="opacity")
        same_range = gr.Checkbox(label="One colour range for all words", elem_id="same-range")
    return Explained(said, remark, word, first, second, sign, opacity, same_range)


def picture_tab(finds: bool) -> PictureTab:
    """A region of the photo is painted, or an object chosen; which words rest on it, and what is said without it?

    Args:
        finds: whether there is a detector.
    """
    gr.Markdown("Paint over a part of the photo. Which words rest on it, and what is said without it?")
    painting = gr.ImageEditor(
        label="Region",
        type="numpy",
        transforms=(),
        sources=(),
        layers=False,
        brush=gr.Brush(default_size=32, colors=["rgba(255, 0, 0, 0.6)"], color_mode="fixed"),
        elem_id="painting",
    )
    find = gr.Button("Find objects to click", visible=finds)
    found = picture("Click an object", "found", visible=False)
    chosen = gr.Radio([PAINTING], value=PAINTED, label="Ask about", visible=False, elem_id="chosen")
    with gr.Row():
        rests = gr.Button("Which words rest on it?")
        remove = gr.Button("Take it out")
    shares, without = gr.HTML(elem_id="shares"), gr.HTML(elem_id="without")
    filled = picture("Without the region", "filled", visible=False)
    return PictureTab(painting, find, chosen, found, rests, remove, shares, without, filled)


def words_tab(questions: bool) -> WordsTab:
    """Another text is typed; why is it not said?"""
    label = "Why not another answer?" if questions else "Why not another caption? Change a word."
    other = gr.Textbox(label=label, elem_id="other")
    why = gr.Button("Why this rather than that?")
    rather = gr.HTML(elem_id="rather")
    legend = "Red speaks for what is said, blue for the other"
    return WordsTab(other, why, rather, picture(legend, "rather-map", visible=False))


def picture(label: str, name: str, visible: bool = True) -> gr.Image:
    """A picture to look at; its name is that of the element."""
    return gr.Image(
        label=label,
        interactive=False,
        format="png",
        buttons=["download", "fullscreen"],
        visible=visible,
        elem_id=name,
    )
