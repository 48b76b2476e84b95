"""Weights of a captioner whose encoder may have labels joined to it."""

from collections.abc import Mapping
from typing import Any

from whysaid.checkpoint import Checkpoint, fit_weights
from whysaid.data.captions.datamodule import CaptionData
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.labelled import Labelled

KEY = "labels"
"""Name of the settings in a configuration; null where no labels are joined."""

DETECTOR = "encoder.detector.bias"


def fit_stored(captioner: Captioner, checkpoint: Checkpoint) -> None:
    """Loads a checkpoint into the captioner of its own configuration, and joins labels where its run did."""
    settings = checkpoint.config.get(KEY)
    if settings:
        if DETECTOR not in checkpoint.weights:
            raise UserError(f"{checkpoint.path} joins labels and has no detector of them: train again")
        join_labels(captioner, len(checkpoint.weights[DETECTOR]), settings)
    fit_weights(captioner, checkpoint)


def start_labels(
    captioner: Captioner, data: CaptionData, config: Mapping[str, Any], checkpoint: Checkpoint | None
) -> dict[str, Any] | None:
    """Loads a checkpoint, if there is one, into the captioner of another configuration, and joins labels where that one
    or the checkpoint's own does; from a checkpoint without labels they start at nothing.

    Returns:
        The settings of the labels, which the new run's checkpoints must hold; None without labels.

    Raises:
        UserError: the checkpoint does not fit, or the data name no objects.
    """
    own = None if checkpoint is None else checkpoint.config.get(KEY)
    settings = config.get(KEY) or own
    if checkpoint is not None and not own:
        fit_weights(captioner, checkpoint)
    if settings:
        if data.object_words is None:
            raise UserError(f"{data.name} has no table of object words, which labels are of: set data.object_words")
        join_labels(captioner, len(data.object_words.categories), settings)
    if checkpoint is not None and own:
        fit_weights(captioner, checkpoint)
    return dict(settings) if settings else None


def join_labels(captioner: Captioner, categories: int, settings: Mapping[str, Any]) -> None:
    """Makes the captioner's encoder one that labels are joined to."""
    threshold = float(settings["threshold"])
    if not 0 < threshold < 1:
        raise UserError(f"labels.threshold is {threshold}: set it above 0 and below 1")
    captioner.encoder = Labelled(captioner.encoder, categories, threshold)
