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

from whysaid.attribution.method import Explanation, Method, speaks_against
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import Pictured
from whysaid.data.vocabulary import END, Vocabulary
from whysaid.errors import UserError
from whysaid.models.explainable import Explainable

Array = NDArray[np.floating]


@dataclass
class Sentence:
    """The explained words of one photo.

    Attributes:
        batch: the photo alone.
        targets: the T explained words.
        said: the same as text: the words of a caption, or the answer to a question.
        read: the S input tokens as text: `<start>` and the caption's words but the last, or the question's.
        context_lengths: T numbers: word t was said after reading the first so many of `read`.
        beside: name → maps (T, h, w) ≥ 0 that the model gives without any method, such as its attention.
        remark: a line for the reader of the report, such as other answers.
        about: anything else for explanations.json, plain containers. `sentinel`, where the model has one, is β of each
            word.
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
    """The explanation of one sentence by one method.

    Attributes:
        maps: (T, H, W) float32.
        words: (T, S) relevance of the input tokens; None where the model gave the maps by itself.
        residual: (T,) as in `Explanation`; None where the model gave the maps by itself.
        signed: whether the method's maps may speak against a word.
    """

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
    """Explains one sentence by each method.

    Args:
        model: the model.
        sentence: the explained words.
        methods: name → method; one of the same name as a map of `sentence.beside` is left out, since the model has
            given that already.
        size: height and width of the photo, pixels.

    Returns:
        Name → maps in the photo's coordinates, those of `sentence.beside` first.

    Raises:
        UserError: a method does not apply, or a map is not finite.
    """
    chosen = {name: method for name, method in methods.items() if name not in sentence.beside}
    all_maps = {name: MethodMaps(to_photo(maps, size)) for name, maps in sentence.beside.items()}
    for name, explanation in attribute_all(chosen, model, sentence.batch, sentence.targets).items():
        words, residual = (part[0].float().cpu().numpy() for part in (explanation.words, explanation.residual))
        maps = to_photo(image_maps(explanation, model.encoder.grid)[0], size)
        all_maps[name] = MethodMaps(maps, words, residual, speaks_against(chosen[name]))
    for name, method_maps in all_maps.items():
        _check(name, method_maps, sentence.said)
    return all_maps


def image_maps(explanation: Explanation, grid: tuple[int, int] | None) -> Array:
    """Gives the maps (B, T, h, w) float32 of pixels, summed over colours, or of the grid's regions without pixels.

    Raises:
        UserError: there are no pixels, and regions have no grid.
    """
    if explanation.pixels is not None:
        maps = explanation.pixels.sum(2)
    elif grid is not None:
        maps = explanation.regions.unflatten(-1, grid)
    else:
        raise UserError("regions without a grid have no place in the photo: explain a model with another encoder")
    arrays: Array = maps.float().cpu().numpy()
    return arrays


def to_photo(maps: Array, size: tuple[int, int]) -> Array:
    """Resizes maps (T, h, w) to (T, H, W) float32, bilinear.

    The encoder saw the whole photo, resized to a square and never cropped, so this undoes its resizing. A pixel gets
    the value of what the encoder saw there: values are kept, and sums are not.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32)).unsqueeze(1)
    resized: Array = interpolate(tensor, size, mode="bilinear", antialias=True).squeeze(1).numpy()
    return resized


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
