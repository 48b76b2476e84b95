"""What a model read and said of one photo, and the maps of what it said, as arrays.

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

from whysaid.attribution.explanation import Explanation
from whysaid.attribution.method import Method, speaks_against
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import Pictured
from whysaid.data.vocabulary import END, Vocabulary
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable

Array = NDArray[np.floating]


@dataclass
class Sentence:
    """What is explained of one photo.

    Attributes:
        batch: the photo alone.
        targets: the T explained words.
        said: the same as text: the words of a caption, or the answer to a question.
        read: the S input tokens as text: `<start>` and the caption's words but the last, or the question's.
        context_lengths: T numbers: word t was said after reading the first so many of `read`.
        beside: name → maps (T, h, w) ≥ 0 that the model gives without any method, such as its attention.
        remark: what a reader of the report should know beside, such as other answers.
        about: whatever else is known, plain containers, for explanations.json. `sentinel`, where it is there, is β of
            each word.
    """

    batch: Pictured
    targets: Targets
    said: list[str]
    read: list[str]
    context_lengths: list[int]
    beside: Mapping[str, Array] = field(default_factory=dict)
    remark: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class MethodMaps:
    """What one method found for one sentence: maps (T, H, W) float32, words (T, S), residual (T,); the latter two are
    None where the model gave the maps by itself. signed: whether the method's maps may speak against a word."""

    maps: Array
    words: Array | None = None
    residual: Array | None = None
    signed: bool = False

    @property
    def reads(self) -> bool:
        """Whether the method says anything of words."""
        return self.words is not None and bool(self.words.any())


def explain_sentence(
    model: Explainable, sentence: Sentence, methods: Mapping[str, Method], size: tuple[int, int]
) -> dict[str, MethodMaps]:
    """Name → what is found, `beside` first; maps in the coordinates of a photo of `size` (height, width) pixels.

    A method of the same name as one of `beside` is left out: the model has given it already.

    Raises UserError: a method does not apply, or a map is not finite.
    """
    asked = {name: method for name, method in methods.items() if name not in sentence.beside}
    found = {name: MethodMaps(to_photo(maps, size)) for name, maps in sentence.beside.items()}
    for name, explanation in attribute_all(asked, model, sentence.batch, sentence.targets).items():
        words, residual = (part[0].float().cpu().numpy() for part in (explanation.words, explanation.residual))
        maps = to_photo(image_maps(explanation, model.encoder.grid)[0], size)
        found[name] = MethodMaps(maps, words, residual, speaks_against(asked[name]))
    for name, one in found.items():
        _check(name, one, sentence.said)
    return found


def image_maps(explanation: Explanation, grid: tuple[int, int] | None) -> Array:
    """(B, T, h, w) float32: relevance of pixels summed over colours or, where there are none, of the grid's regions.

    Raises UserError where regions have no grid.
    """
    if explanation.pixels is not None:
        maps = explanation.pixels.sum(2)
    elif grid is not None:
        maps = explanation.regions.unflatten(-1, grid)
    else:
        raise UserError("regions without a grid have no place in the photo: explain a model with another encoder")
    found: Array = maps.float().cpu().numpy()
    return found


def to_photo(maps: Array, size: tuple[int, int]) -> Array:
    """Maps (T, h, w) → (T, H, W) float32, bilinear.

    The encoder saw the whole photo, resized to a square and never cropped, so this undoes its resizing. A pixel gets
    the value of what the encoder saw there: values are kept, and sums are not.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32)).unsqueeze(1)
    resized: Array = interpolate(tensor, size, mode="bilinear", antialias=True).squeeze(1).numpy()
    return resized


def said_tokens(captions: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Tensor:
    """(B, S) int64 of the words alone, without `<start>`; shorter captions are filled with `<end>`."""
    rows = [torch.tensor(vocabulary.encode(words)[1:-1], dtype=torch.int64) for words in captions]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=END)


def _check(name: str, found: MethodMaps, said: Sequence[str]) -> None:
    for t, word in enumerate(said):
        parts = [found.maps[t], *([] if found.words is None else [found.words[t]])]
        if not all(np.isfinite(part).all() for part in parts):
            raise UserError(f"what {name} finds for {word!r} is not finite: check the checkpoint's weights")
