"""The support of what a captioner says, found beside its checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import instantiate

from whysaid.attribution.support.support import find_support
from whysaid.attribution.support.words import ObjectSupport
from whysaid.checkpoint import Checkpoint
from whysaid.data.object_words import ObjectWords
from whysaid.models.captioner import Captioner
from whysaid.models.ensemble import Ensemble

NO_SUPPORT = "none"
"""The value of `support.file` that leaves support out."""


def chosen_support(
    captioner: Captioner | Ensemble, checkpoint: Checkpoint, choice: Mapping[str, Any] | None
) -> ObjectSupport | None:
    """Finds the support of a captioner that `study=support` has fitted.

    Args:
        captioner: with its weights; of an ensemble nothing is known.
        checkpoint: its own, whose data set has the table of object words.
        choice: `file`, that must be it, or `none` for no support at all, or None for the file beside the checkpoint or,
            by the captioner's key, in `folder`; None looks beside the checkpoint alone.

    Returns:
        None where there is no such file, or the data set names no objects.

    Raises:
        UserError: the file is of another captioner, or is no such file.
    """
    file, folder = (None if choice is None else choice[name] for name in ("file", "folder"))
    data = checkpoint.config.get("data") or {}
    if isinstance(captioner, Ensemble) or file == NO_SUPPORT or not data.get("object_words"):
        return None
    support = find_support(
        captioner,
        checkpoint.vocabulary.words,
        checkpoint.path,
        None if folder is None else Path(folder),
        None if file is None else Path(file),
    )
    if support is None:
        return None
    objects: ObjectWords = instantiate(checkpoint.parts("data")["data"]["object_words"])
    return ObjectSupport(support, objects)
