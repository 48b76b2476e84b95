"""What can be explained on a user's own photos: a model, where it comes from, and what it may be asked.

T explained words, S words read, H × W pixels of a photo.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from whysaid.assemble.methods import named_method
from whysaid.attribution.method import Method
from whysaid.attribution.sentence import MethodMaps, Sentence, explain_sentence
from whysaid.checkpoint import Origin
from whysaid.data.images import load_image
from whysaid.data.words import spaced, words
from whysaid.errors import UserError
from whysaid.models.attention import masked_mean
from whysaid.models.explainable import Explainable
from whysaid.tasks.writer import Writer

Look = Callable[[Image.Image], Sentence]
"""From an RGB photo of any size to what the model says of it, or is told to say of it."""


@dataclass(frozen=True)
class PhotoExplanation:
    """What one method finds for every word that a model says of a photo.

    Attributes:
        words: the T explained words: those of the caption, or the answers to a question.
        read: the S words that the model read: `<start>` and the caption's words but the last, or the question's.
        maps: (T, H, W) float32, relevance of each pixel of the upright photo: > 0 for the word, < 0 against it; not
            `signed`: its magnitude.
        word_relevance: (T, S) float32, relevance of each word that was read, likewise; None where the method says
            nothing of words.
        residual: (T,) float32, what the method loses of the explained score; None where it does not claim to add up.
        about: whatever else is known, plain containers, such as `sentinel` or the likeliest `answers`; `support`, where
            `study=support` has fitted it, is the probability of each word that the object which it names is there.
        signed: whether the method's signs say for and against.
    """

    words: list[str]
    read: list[str]
    maps: NDArray[np.floating]
    word_relevance: NDArray[np.floating] | None = None
    residual: NDArray[np.floating] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    signed: bool = True

    @property
    def caption(self) -> str:
        """The explained words as one text."""
        return " ".join(self.words)


class Subject(ABC):
    """A trained model that explains what it says of photos; `whysaid.load` gives one.

    Attributes:
        kind: of the model, for messages.
        options: names of what it may be asked for beside the photo.
        model: in evaluation mode.
        checkpoint: where it comes from.
    """

    kind: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    model: Explainable
    checkpoint: Origin

    @property
    @abstractmethod
    def writer(self) -> Writer:
        """The captioner with its decoding. Raises UserError where the model writes no captions."""

    @abstractmethod
    def asking(self, **options: str | None) -> Look:
        """Checks what is asked, and returns what looks at one photo after another.

        Args:
            options: some of `options`; None is as good as absent.

        Raises:
            UserError: the model cannot be asked this.
        """

    @abstractmethod
    def rather(self, sentence: Sentence, text: str) -> Sentence:
        """Asks why the model says what it says rather than something else.

        Args:
            sentence: what it says.
            text: what it might say instead.

        Returns:
            A sentence of one explained score, the difference of the logits of what is said and of what is not.

        Raises:
            UserError: the text does not differ, or the model cannot say it.
        """

    @torch.no_grad()
    def familiarity(self, pixels: Tensor) -> tuple[str, dict[str, Any]]:
        """Tells how far a photo is from those that the model was trained on, which its checkpoint may hold.

        Args:
            pixels: (1, 3, H, W) as the encoder's preprocessing makes them.

        Returns:
            A remark for the reader, empty where the photo is not far; and `familiarity` as plain containers, or nothing
            where the checkpoint does not say.
        """
        known = getattr(self.checkpoint, "familiarity", None)
        if known is None:
            return "", {}
        distance = known(masked_mean(*self.model.encoder(pixels))[0])
        return distance.remark, {"familiarity": distance.to_dict()}

    def with_support(self, sentence: Sentence, maps: Mapping[str, MethodMaps]) -> Sentence:
        """Adds how likely it is that what each word names is there, where the model knows that of its words.

        Args:
            sentence: what was said.
            maps: method → what it found for the words; what is not there is done without.
        """
        return sentence

    def require_options(self, given: Mapping[str, object]) -> None:
        """Raises UserError where an option is given that only another kind of model takes."""
        for name, value in given.items():
            if value is not None and name not in self.options:
                raise UserError(
                    f"{self.checkpoint.path} is a {self.kind}'s, which takes no {name}=: leave it out, or give another "
                    "ckpt="
                )

    def explain(
        self, photo: str | Path | Image.Image | NDArray[np.uint8], method: str | Method = "lrp", **options: str | None
    ) -> PhotoExplanation:
        """Explains every word that the model says of a photo.

        Args:
            photo: a file, a PIL image, or an array (H, W, 3) of uint8.
            method: a name of `conf/attribution`, such as `lrp`, `grad_cam` or `attention`; or an attribution method.
            options: `caption` of a captioner: the sentence to explain in place of its own. `question` of a VQA model,
                and `answer`, explained before the model's own.

        Returns:
            Words, maps in the photo's coordinates, relevance of the words read, and the residual.

        Raises:
            UserError: the photo cannot be read, the model cannot be asked this, or the method does not apply.
        """
        self.require_options(options)
        image = as_photo(photo)
        sentence = self.asking(**options)(image)
        name = method if isinstance(method, str) else type(method).__name__
        methods: dict[str, Method] = {}
        if name not in sentence.beside:
            methods = {name: named_method(method) if isinstance(method, str) else method}
        explained = explain_sentence(self.model, sentence, methods, (image.height, image.width))
        maps, about = explained[name], self.with_support(sentence, explained).about
        return PhotoExplanation(
            list(sentence.said), list(sentence.read), maps.maps, maps.words, maps.residual, dict(about), maps.signed
        )


def words_of(text: str, checkpoint: Origin) -> list[str]:
    """Parts a text into words as the data that a checkpoint was trained on do theirs."""
    data = getattr(checkpoint, "config", {}).get("data") or {}
    return words(spaced(text) if data.get("characters") else text)


def as_photo(photo: str | Path | Image.Image | NDArray[np.uint8]) -> Image.Image:
    """An RGB image of a file, of a PIL image, or of an array (H, W, 3) of uint8; UserError for any other array."""
    if isinstance(photo, str | Path):
        return load_image(photo)
    if isinstance(photo, Image.Image):
        return photo.convert("RGB")
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise UserError(f"a photo is an array (H, W, 3) of uint8, not {photo.shape} of {photo.dtype}")
    return Image.fromarray(photo)
