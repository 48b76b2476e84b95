"""The words that a model read and said of one photo, and the maps of the words that it said, as arrays.

B images, T explained words, S input tokens, h × w cells of a map, H × W pixels of the photo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from whysaid.attribution.method import Explanation, Method, adds_up, as_shown, speaks_against, uniform_share
from whysaid.attribution.support.evidence import Evidence, largest_relevance
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_fitting
from whysaid.data.batch import Pictured
from whysaid.data.images import Box, View
from whysaid.data.vocabulary import END, Vocabulary
from whysaid.errors import UserError
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.explainable import Explainable

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Pieces:
    """What the words of a sentence are made of, where a model reads and writes pieces of words.

    The relevance of a word that was read is the sum over its pieces; of a word that was said, its first piece's logit
    is explained.

    Attributes:
        said: T lists, the pieces of each explained word.
        read: the pieces that were read.
        starts: S numbers, the place among these of each read word's first piece; the first is 0.
    """

    said: list[list[str]]
    read: list[str]
    starts: list[int]


@dataclass
class Sentence:
    """The explained words of one photo.

    Attributes:
        batch: the photo alone.
        targets: the T explained words.
        said: the same as text: the words of a caption, or the answer to a question.
        read: the S input tokens as text: `<start>` and the caption's words but the last, or the question's.
        context_lengths: T numbers: word t was said after reading the first so many of `read`.
        beside: name → maps (T, h, w) ≥ 0 that the model gives without any method: shares of its attention.
        remark: a line for the reader of the report, such as other answers.
        pieces: of the words; None where the model's tokens are words.
        views: where the maps of pixels lie in the photo.
        about: anything else for explanations.json, plain containers. `sentinel`, where the model has one, is β of each
            word; `support`, where it is known, how likely it is that what each word names is there, None for a word
            that names no object.
        evidence: name of a score → (T,), what speaks for each word beside its relevance; see `Support`.
    """

    batch: Pictured
    targets: Targets
    said: list[str]
    read: list[str]
    context_lengths: list[int]
    beside: Mapping[str, Array] = field(default_factory=dict)
    remark: str = ""
    pieces: Pieces | None = None
    views: Sequence[View] = (View(),)
    about: Mapping[str, Any] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=dict)


@dataclass
class MethodMaps:
    """The explanation of one sentence by one method.

    Attributes:
        maps: (T, H, W) float32; not `signed`: magnitudes, ≥ 0.
        words: (T, S) relevance of the input tokens, likewise; None where the model gave the maps by itself.
        residual: (T,) as in `Explanation`; None where the model gave the maps by itself.
        signed: whether the method's signs say for and against a word.
        largest: (T,) as `largest_relevance` has it; None where the model gave the maps by itself.
        pieces: (T, ·) relevance of the pieces that words are joined from; None where tokens are words.
        amounts: (T, 2) Σ|relevance| of the image and of the words read, for each explained word; (T, 1) of the image
            alone, where a method's numbers for image and words do not compare; None where the model gave the maps by
            itself.
        uniform: the value of a map of shares that prefers no part of the image; None where there is no such value.
    """

    maps: Array
    words: Array | None = None
    residual: Array | None = None
    signed: bool = False
    largest: Array | None = None
    pieces: Array | None = None
    amounts: Array | None = None
    uniform: float | None = None

    @property
    def shares(self) -> Array | None:
        """The amounts as shares of all that the method finds for all words: they sum to 1, or are all 0."""
        if self.amounts is None:
            return None
        return self.amounts / (self.amounts.sum() or 1.0)

    @property
    def reads(self) -> bool:
        """Whether the method says anything of words."""
        return self.words is not None and bool(self.words.any())


def explain_sentence(
    model: Explainable, sentence: Sentence, methods: Mapping[str, Method], size: tuple[int, int]
) -> dict[str, MethodMaps]:
    """Explains one sentence by each method.

    Args:
        model: the model.
        sentence: the explained words.
        methods: name → method; one of the same name as a map of `sentence.beside` is left out, since the model has
            given that already, and so are those that cannot explain such a model, where others can.
        size: height and width of the photo, pixels.

    Returns:
        Name → maps in the photo's coordinates, those of `sentence.beside` first.

    Raises:
        UserError: no method applies, or one fails, or a map is not finite.
    """
    chosen = {name: method for name, method in methods.items() if name not in sentence.beside}
    all_maps = {
        name: MethodMaps(to_photo(maps, size, sentence.views), uniform=1 / maps[0].size)
        for name, maps in sentence.beside.items()
    }
    for name, found in attribute_fitting(chosen, model, sentence.batch, sentence.targets).items():
        explanation = as_shown(chosen[name], found)
        words, residual = (part[0].float().cpu().numpy() for part in (explanation.words, explanation.residual))
        maps = to_photo(image_maps(explanation, model.encoder)[0], size, sentence.views)
        largest, pieces = largest_relevance(explanation)[0].cpu().numpy(), None
        if sentence.pieces is not None:
            pieces, words = words, np.add.reduceat(words, sentence.pieces.starts, axis=1)
        all_maps[name] = MethodMaps(
            maps,
            words,
            residual,
            speaks_against(chosen[name]),
            largest,
            pieces,
            amounts(chosen[name], explanation)[0],
            uniform_share(chosen[name], explanation),
        )
    for name, method_maps in all_maps.items():
        _check(name, method_maps, sentence.said)
    return all_maps


def amounts(method: Method, explanation: Explanation) -> Array:
    """Sums |relevance| of the image, its colours added, and of the words read: (B, T, 2); see `MethodMaps.amounts`."""
    image = explanation.regions if explanation.pixels is None else explanation.pixels.sum(2).flatten(2)
    parts = [image, explanation.words] if adds_up(method) else [image]
    sums: Array = torch.stack([part.abs().sum(2) for part in parts], 2).double().cpu().numpy()
    return sums


def image_maps(explanation: Explanation, encoder: Encoder) -> Array:
    """Gives the maps (B, T, h, w) float32 of pixels, summed over colours, or of the grid's regions without pixels.

    Raises:
        UserError: there are no pixels, and regions have no grid.
    """
    if explanation.pixels is not None:
        maps = explanation.pixels.sum(2)
    elif encoder.grid is not None:
        maps = encoder.on_grid(explanation.regions)
    else:
        raise UserError("regions without a grid have no place in the photo: explain a model with another encoder")
    arrays: Array = maps.float().cpu().numpy()
    return arrays


def to_photo(maps: Array, size: tuple[int, int], views: Sequence[View] = (View(),)) -> Array:
    """Resizes maps (T, h, w) to (T, H, W) float32, bilinear.

    This undoes what the encoder's preprocessing did to the photo: its resizing, its crop, its padding. A pixel gets the
    value of what the encoder saw there: values are kept, and sums are not. Where it saw nothing there is 0, and where
    it saw a pixel in several views, their sum.

    Args:
        maps: on the encoder's input, or on its grid.
        size: height and width of the photo.
        views: what the encoder saw of it.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32)).unsqueeze(1)
    photo = torch.zeros(len(tensor), 1, *size)
    for view in views:
        rows, columns = (_span(view.part, axis, side) for axis, side in ((1, tensor.shape[2]), (0, tensor.shape[3])))
        top, left = _span(view.box, 1, size[0]), _span(view.box, 0, size[1])
        shape = max(1, top.stop - top.start), max(1, left.stop - left.start)
        seen = interpolate(tensor[:, :, rows, columns], shape, mode="bilinear", antialias=True)
        inside = [slice(max(0, span.start), min(side, span.stop)) for span, side in zip((top, left), size, strict=True)]
        cut = [slice(i.start - span.start, i.stop - span.start) for i, span in zip(inside, (top, left), strict=True)]
        photo[:, :, inside[0], inside[1]] += seen[:, :, cut[0], cut[1]]
    resized: Array = photo.squeeze(1).numpy()
    return resized


def _span(box: Box, axis: int, side: int) -> slice:
    """From where to where a box reaches along one side, in whole cells; before 0 and behind the side too."""
    return slice(round(box[axis] * side), round(box[axis + 2] * side))


def said_tokens(captions: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Tensor:
    """Encodes the words alone, (B, S) int64 without `<start>`; shorter captions are filled with `<end>`."""
    rows = [torch.tensor(vocabulary.encode(words)[1:-1], dtype=torch.int64) for words in captions]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=END)


def _check(name: str, method_maps: MethodMaps, said: Sequence[str]) -> None:
    """Raises UserError where a map is not finite, with the name of the method and the word."""
    for t, word in enumerate(said):
        parts = [method_maps.maps[t], *([] if method_maps.words is None else [method_maps.words[t]])]
        if not all(np.isfinite(part).all() for part in parts):
            raise UserError(f"what {name} finds for {word!r} is not finite: check the checkpoint's weights")
