"""One photo that a user looks into: what is said of it is asked once, and each method explains it once.

T explained words, S words read, H × W pixels in which maps are shown.
"""

from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whysaid.app.filling import Filling
from whysaid.app.objects import FoundObject, found_objects
from whysaid.assemble.methods import named_method
from whysaid.assemble.subject import Subject
from whysaid.attribution.sentence import MethodMaps, Sentence, explain_sentence
from whysaid.attribution.support.evidence import RELEVANCE_BY
from whysaid.data.images import image_of
from whysaid.data.instances import Detector
from whysaid.errors import UserError
from whysaid.figures.overlay import largest, overlay, soften

SHOWN = 640
"""Pixels of the longer side of a shown photo at most."""

LEAST = 320
"""Pixels of the longer side of a picture at least; smaller photos are enlarged when they are shown."""

SIGNS = ("both", "for", "against")
"""What of a map is shown: all of it, what speaks for the word, or what speaks against it."""

_MODEL = Lock()
"""Explaining sets the modes of a model's modules, so that users of one model take turns."""


@dataclass(frozen=True)
class Shown:
    """How a map is laid over the photo.

    sign: one of `SIGNS`. opacity: 0 shows the photo alone, 1 the map as strong as in a report. same_range: one colour
    range for all words, so that they compare, in place of one for each.
    """

    sign: str = "both"
    opacity: float = 1.0
    same_range: bool = False


@dataclass
class Exploration:
    """A photo, what a model says of it, and the maps of the methods that were asked for so far.

    Attributes:
        subject: the model.
        photo: upright RGB; its longer side has at most `SHOWN` pixels.
        options: what the model was asked beside the photo, such as `question`.
        sentence: what it says.
        objects: what a detector has found in the photo, where somebody has asked for that.
    """

    subject: Subject
    photo: Image.Image
    options: dict[str, str]
    sentence: Sentence
    objects: list[FoundObject] = field(default_factory=list)
    _maps: dict[str, MethodMaps] = field(default_factory=dict)
    _limits: dict[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def of(cls, subject: Subject, photo: Image.Image, **options: str | None) -> "Exploration":
        """Asks the model about a photo.

        Raises:
            UserError: the model cannot be asked this.
        """
        asked = {name: value for name, value in options.items() if value}
        subject.require_options(asked)
        with _MODEL:
            sentence = subject.asking(**asked)(photo)
        shown = photo.copy()
        shown.thumbnail((SHOWN, SHOWN))
        return cls(subject, shown, asked, sentence)

    @property
    def words(self) -> list[str]:
        """The T explained words."""
        return self.sentence.said

    @property
    def support(self) -> list[float | None] | None:
        """The support of each word, in [0, 1], None for words that name no object; None where nobody has fitted it."""
        support: list[float | None] | None = self.supported().about.get("support")
        return support

    def supported(self) -> Sentence:
        """What the model says, with the support of its words where somebody has fitted that.

        Relevance counts in it, so that it is what a report says: the words are explained by that method first.
        """
        if not self.sentence.evidence:
            return self.sentence
        return self.subject.with_support(self.sentence, {RELEVANCE_BY: self.maps(RELEVANCE_BY)})

    def maps(self, method: str) -> MethodMaps:
        """Explains all words by a method of `conf/attribution`, or gives what it found before.

        Raises:
            UserError: there is no such method, or it does not apply to the model.
        """
        if method not in self._maps:
            methods = {} if method in self.sentence.beside else {method: named_method(method)}
            size = self.photo.height, self.photo.width
            with _MODEL:
                self._maps |= explain_sentence(self.subject.model, self.sentence, methods, size)
        return self._maps[method]

    def picture(self, method: str, word: int, shown: Shown) -> Image.Image:
        """Lays the map of one word over the photo."""
        method_maps = self.maps(method)
        signed = method_maps.signed and shown.sign == "both"
        neutral = method_maps.uniform or 0.0
        limit = None
        if shown.same_range:
            if (method, shown.sign) not in self._limits:
                self._limits[method, shown.sign] = largest(self._softened(method, slice(None), shown.sign), neutral)
            limit = self._limits[method, shown.sign]
        image = np.asarray(self.photo) / 255
        (heat,) = self._softened(method, slice(word, word + 1), shown.sign)
        coloured = overlay(image, heat, signed, limit, neutral)
        blended = image * (1 - shown.opacity) + coloured * shown.opacity
        return enlarged(image_of(blended))

    def _softened(self, method: str, words: slice, sign: str) -> NDArray[np.float32]:
        """The maps of some words as they are shown, of one sign or of both."""
        method_maps = self.maps(method)
        maps = soften(method_maps.maps[words])
        if sign == "both" or not method_maps.signed:
            return maps
        return np.maximum(maps if sign == "for" else -maps, 0)

    def resting_on(self, mask: NDArray[np.bool_], method: str) -> list[tuple[str, float]]:
        """Each word and the share, in [0, 1], of what speaks for it in the photo that lies in a region.

        Args:
            mask: (H, W) of the shown photo, True in the region.
            method: a name of `conf/attribution`.

        Raises:
            UserError: the mask is empty or of another size.
        """
        self._require(mask)
        positive = np.maximum(self.maps(method).maps, 0)
        whole = positive.sum((1, 2))
        inside = positive[:, mask].sum(1)
        shares = np.divide(inside, whole, out=np.zeros_like(inside), where=whole > 0)
        return list(zip(self.words, shares.tolist(), strict=True))

    def without(self, mask: NDArray[np.bool_], fill: Filling) -> "Exploration":
        """Fills a region of the photo and asks the model the same about what is there then.

        Raises:
            UserError: the mask is empty, covers everything or is of another size.
        """
        self._require(mask)
        if mask.all():
            raise UserError("the region covers the whole photo, so that nothing is left to fill it from: paint less")
        with _MODEL:
            filled = fill(self.photo, mask)
        return Exploration.of(self.subject, filled, **self.options)

    def rather(self, text: str) -> "Exploration":
        """Asks why the model says what it says rather than another caption, or another answer.

        The one explained score is the difference of two logits: of the first word that differs, or of the answers.

        Raises:
            UserError: the text does not differ, or has a word that the model cannot say.
        """
        return Exploration(self.subject, self.photo, self.options, self.subject.rather(self.sentence, text))

    def find_objects(self, detector: Detector) -> None:
        """Has a detector look at the photo, unless it has found something there before.

        Raises:
            UserError: it finds nothing, or cannot look.
        """
        if not self.objects:
            device = next(self.subject.model.parameters()).device
            with _MODEL:
                instances = detector(self.photo, device)
            self.objects = found_objects(instances, (self.photo.height, self.photo.width))
        if not self.objects:
            raise UserError("the detector finds no object in this photo: paint over a part of it")

    def _require(self, mask: NDArray[np.bool_]) -> None:
        size = self.photo.height, self.photo.width
        if mask.shape != size:
            raise UserError(f"the mask has {mask.shape[1]} × {mask.shape[0]} pixels, the photo {size[1]} × {size[0]}")
        if not mask.any():
            raise UserError("no region is painted: paint over a part of the photo first")


def enlarged(picture: Image.Image) -> Image.Image:
    """Makes a small picture large enough to be seen."""
    scale = max(1.0, LEAST / max(picture.size))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BICUBIC)
