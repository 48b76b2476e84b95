"""The captions of many images as numbers, without an object for each: MSCOCO has six hundred thousand."""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor


class EncodedCaptions:
    """Captions one behind the other, and where each begins.

    Args:
        captions: of each image, a list of tokens for each of its captions.
    """

    def __init__(self, captions: Iterable[Iterable[Sequence[int]]]):
        tokens, ends, last = array("i"), array("q", [0]), array("q", [0])
        for own in captions:
            for caption in own:
                tokens.extend(caption)
                ends.append(len(tokens))
            last.append(len(ends) - 1)
        self._tokens, self._ends, self._last = np.array(tokens, np.int32), np.array(ends), np.array(last)

    def number(self, image: int) -> int:
        """How many captions the image of this index has."""
        return int(self._last[image + 1] - self._last[image])

    def of(self, image: int, number: int) -> Tensor:
        """Tokens (T,) int32 of a caption, by the index of its image and its own among the image's captions."""
        place = self._last[image] + number
        return torch.from_numpy(self._tokens[self._ends[place] : self._ends[place + 1]])
