"""`predictions_<split>.json`: what a test has predicted, in the results formats of the COCO and VQA evaluations."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whysaid.data.files.whole import write_whole

log = logging.getLogger(__name__)


def write_results(records: Sequence[Mapping[str, Any]], folder: Path, split: str) -> None:
    """Writes the file.

    Args:
        records: `image_id` and `caption` of each image, or `question_id` and `answer` of each question; whatever else
            is in them, the evaluations pass over.
        folder: the run directory.
        split: that was tested.
    """
    write_whole(folder / f"predictions_{split}.json", json.dumps(records, indent=1))


def note_unscored(split: str) -> None:
    """Says that a split without annotations was predicted and not scored."""
    log.info(
        "the %s split has no annotations: predictions_%s.json is for a server to score",
        *(split, split),
        extra={"progress": True},
    )
