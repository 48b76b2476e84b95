"""What a captioner says of a photo when one of its objects is not there (Fosado et al.: object importance).

N objects of a photo, H, W its pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from whysaid.counterfactual.recaption import Recaption, recaption, same_word_distance, summed_distance
from whysaid.data.inpainting.masks import Mask, grown
from whysaid.data.instances import Detector, Instance
from whysaid.errors import UserError
from whysaid.tasks.writer import Writer

Pixels = NDArray[np.uint8]
"""(H, W, 3)."""

Inpaint = Callable[[Tensor, Tensor], Tensor]
"""Images (N, 3, H, W) in [0, 1] and masks (N, 1, H, W), 1 = hole → the images with their holes filled."""

Truth = Callable[[Instance], Image.Image]
"""What the picture is without an object, where that is known."""

TRUE = "truth"
"""Name of the true removal beside those by inpainters."""


class Embedder(Protocol):
    """Tells sentences apart."""

    def distances(self, sentence: str, others: Sequence[str]) -> Tensor:
        """Distances (N,), 1 − cos, of a sentence and N others."""


@dataclass(frozen=True)
class CaptionChange:
    """What taking an object out did.

    picture: the counterfactual. words: its caption. distance: 1 − cos of the captions' embeddings, in [0, 2].
    drop: log-probability that the original caption lost, in nats; < 0 where it gained. attention_same, attention_sum:
    how far attention moved, in [0, 1]: of words in both captions, and of all words together; None where there are none.
    attention: (R,) where all words of the caption look together, of sum 1; zeros where it is empty.
    """

    picture: Pixels
    words: list[str]
    distance: float
    drop: float
    attention_same: float | None
    attention_sum: float | None
    attention: NDArray[np.floating]


@dataclass
class ObjectEffect:
    """One object. mask: (H, W), what is seen of it. skipped: why it was left in, or nothing. changes: inpainter →
    what its removal did; empty where it was skipped."""

    instance: Instance
    mask: Mask
    skipped: str = ""
    changes: dict[str, CaptionChange] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the photo, in [0, 1]."""
        return float(self.mask.mean())


@dataclass
class PhotoEffects:
    """A photo, what is said of it, its objects in the order in which they were given or found, the names of the ways
    to remove them, and the rows and columns of the encoder's regions, None where these have no grid."""

    pixels: Pixels
    original: Recaption
    objects: list[ObjectEffect]
    removals: list[str]
    grid: tuple[int, int] | None = None

    @property
    def inpainter(self) -> str:
        """Name of the way to remove objects whose pictures are shown."""
        return self.removals[0]

    @property
    def removed(self) -> list[ObjectEffect]:
        """The objects that were not skipped."""
        return [effect for effect in self.objects if not effect.skipped]


class Importance:
    """Takes every object out of a photo by itself, and compares what the captioner then says.

    Args:
        inpainters: name → how holes are filled, or None to leave it out. The first one's pictures are shown.
        embedder: of captions.
        detector: finds objects of photos that have no annotation; None raises an error for those.
        smallest, largest: shares of the photo between which an object must lie, in [0, 1].
        dilate: pixels (of 256) by which the hole is larger than the object.
        side: pixels of the shorter side of photos; larger ones are made smaller first. The original caption, too, is
            that of the smaller photo, so that nothing but the hole differs.
        at_once: objects inpainted, and counterfactuals captioned, at once.

    Raises UserError: no inpainter is left, or sizes that no object could have.
    """

    def __init__(
        self,
        inpainters: Mapping[str, Inpaint | None],
        embedder: Embedder,
        detector: Detector | None = None,
        smallest: float = 0.003,
        largest: float = 0.25,
        dilate: float = 6.0,
        side: int = 256,
        at_once: int = 16,
    ):
        self.inpainters = {name: inpaint for name, inpaint in inpainters.items() if inpaint is not None}
        if not self.inpainters:
            raise UserError("there is no inpainter to remove objects with: leave one of them in")
        if not 0 <= smallest < largest <= 1:
            raise UserError(
                f"objects take shares of a photo: 0 ≤ {smallest} (smallest) < {largest} (largest) ≤ 1 fails"
            )
        self.embedder, self.detector = embedder, detector
        self.smallest, self.largest, self.dilate = smallest, largest, dilate
        self.side, self.at_once = side, at_once

    def __call__(
        self,
        task: Writer,
        photo: Image.Image,
        objects: Sequence[Instance] | None = None,
        truth: Truth | None = None,
    ) -> PhotoEffects:
        """Weighs the objects of an RGB photo of any size.

        Args:
            task: the captioner, in evaluation mode, and its decoding.
            photo: upright.
            objects: annotated ones; None asks the detector.
            truth: gives the photo without an object; adds `truth` to the changes.

        Raises UserError: nothing is annotated and there is no detector, or what a part of this cannot do.
        """
        if objects is None:
            if self.detector is None:
                raise UserError("the photo's objects are not annotated: choose detector=mask_rcnn to find them")
            objects = self.detector(photo, task.device)
        photo = shrunk(photo, self.side)
        pixels: Pixels = np.array(photo)
        effects = [self._looked_at(instance, photo) for instance in objects]
        (original,) = recaption(task, [photo])
        grid = task.single_captioner.encoder.grid
        removals = [*self.inpainters, *([TRUE] if truth is not None else [])]
        effects_of_photo = PhotoEffects(pixels, original, effects, removals, grid)
        removed = effects_of_photo.removed
        if removed:
            holes = np.stack([grown(effect.mask, self.dilate) for effect in removed])
            for name, inpaint in self.inpainters.items():
                self._note(name, task, effects_of_photo, self._filled(inpaint, pixels, holes, task.device))
            if truth is not None:
                without = [np.array(truth(effect.instance).resize(photo.size)) for effect in removed]
                self._note(TRUE, task, effects_of_photo, without)
        return effects_of_photo

    def _looked_at(self, instance: Instance, photo: Image.Image) -> ObjectEffect:
        effect = ObjectEffect(instance, instance.mask(photo.height, photo.width))
        if instance.crowd:
            effect.skipped = "crowd"
        elif not instance.segmentation:
            effect.skipped = "no outline"
        elif effect.share < self.smallest:
            effect.skipped = "too small"
        elif effect.share > self.largest or grown(effect.mask, self.dilate).all():
            effect.skipped = "too large"
        return effect

    def _filled(self, inpaint: Inpaint, pixels: Pixels, holes: Mask, device: torch.device) -> list[Pixels]:
        """The photo (H, W, 3) with each of N holes (N, H, W) filled, all else as it was."""
        image = torch.from_numpy(pixels).permute(2, 0, 1).to(device) / 255
        masks = torch.from_numpy(holes)[:, None].to(image)
        filled = [inpaint(image.expand(len(some), -1, -1, -1), some) for some in masks.split(self.at_once)]
        made = (torch.cat(filled) * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        return list(np.where(holes[..., None], made, pixels))

    def _note(self, name: str, task: Writer, photo: PhotoEffects, pictures: Sequence[Pixels]) -> None:
        """Captions the counterfactuals of all objects that are weighed, and adds what changed."""
        asked, before = photo.original.tokens, photo.original
        images = [Image.fromarray(picture) for picture in pictures]
        chunks = [images[i : i + self.at_once] for i in range(0, len(images), self.at_once)]
        after = [caption for chunk in chunks for caption in recaption(task, chunk, asked)]
        distances = self.embedder.distances(" ".join(before.words), [" ".join(caption.words) for caption in after])
        for effect, picture, caption, distance in zip(photo.removed, pictures, after, distances.tolist(), strict=True):
            effect.changes[name] = CaptionChange(
                picture,
                caption.words,
                distance,
                before.log_p - caption.log_p,
                same_word_distance(before, caption),
                summed_distance(before, caption),
                caption.looked,
            )


def shrunk(photo: Image.Image, side: int) -> Image.Image:
    """The photo with a shorter side of at most `side` pixels."""
    scale = side / min(photo.size)
    if scale >= 1:
        return photo
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    return photo.resize(size, Image.Resampling.BICUBIC)
