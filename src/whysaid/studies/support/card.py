"""What a model card says of support, once it is fitted."""

from collections.abc import Mapping
from pathlib import Path

from whysaid.data.files.whole import write_whole
from whysaid.studies.common.statistics import Interval

CARD = "README.md"
"""The card's name, in the folder of the checkpoints."""

HEADING, NEXT = "## Support of named objects", "## Limits"
"""The section, and the one of every card that stands behind it."""

_SHOWN = {"auc": "area under the ROC curve", "calibration_error": "expected calibration error"}


def tell_card(ckpt: Path, file: Path, scores: Mapping[str, Interval], words: int, split: str) -> bool:
    """Writes how well support is calibrated into the model card beside a checkpoint, in place of what stood there.

    Args:
        ckpt: the checkpoint.
        file: where the support lies.
        scores: `auc` and `calibration_error`.
        words: named objects that these were measured on.
        split: whose.

    Returns:
        Whether there is such a card and it could be written.
    """
    path = ckpt.parent / CARD
    try:
        card = path.read_text(encoding="utf-8")
        before, limits, after = card.partition(f"{NEXT}\n")
        if not limits:
            return False
        rows = [
            f"| {name} | {scores[key].value:.4f} | {scores[key].low:.4f} to {scores[key].high:.4f} |"
            for key, name in _SHOWN.items()
        ]
        section = [
            HEADING,
            "",
            f"The probability that a named object is in the picture, by `{file.name}`; measured on {words} named "
            f"objects of the {split} split.",
            "",
            "| measure | value | 95 % interval over images |",
            "|---|---|---|",
            *rows,
            "",
        ]
        write_whole(path, "\n".join([before.partition(HEADING)[0].rstrip("\n"), "", *section, limits + after]))
    except OSError:  # there is none, or it may not be written
        return False
    return True
