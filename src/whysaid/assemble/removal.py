"""Makes what takes things out of a user's own photos: objects that are annotated or found, or what a mask says."""

from collections.abc import Callable
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image

from whysaid.counterfactual.importance import Importance, PhotoEffects
from whysaid.counterfactual.own_masks import mask_files, own_objects
from whysaid.data.annotated import annotated_objects
from whysaid.errors import UserError
from whysaid.tasks.writer import Writer

Removal = Callable[[Writer, Path, Image.Image], PhotoEffects]
"""From a captioner, a photo's file and the photo to what is said without each thing that was taken out of it."""


def build_removal(config: DictConfig, photos: int) -> Removal | None:
    """Makes what `importance` or `mask` of a configuration ask for; None where they ask for nothing.

    Args:
        config: of `python -m src.explain`.
        photos: how many there are.

    Raises:
        UserError: both are asked for, or `counterfactual` cannot be.
    """
    if config.mask is None:
        if not config.importance:
            return None
        importance: Importance = instantiate(config.counterfactual)
        return lambda writer, path, photo: importance(writer, photo, annotated_objects(path))
    if config.importance:
        raise UserError("mask= takes out what is drawn, importance=true what is annotated or found: give one of them")
    masks = Path(str(config.mask))
    exact: Importance = instantiate(config.counterfactual, smallest=0.0, largest=1.0, dilate=0.0, detector=None)

    def remove(writer: Writer, path: Path, photo: Image.Image) -> PhotoEffects:
        return exact(writer, photo, own_objects(mask_files(masks, path, photos == 1), photo))

    return remove
