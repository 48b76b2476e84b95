"""What a model card says of support, once it is fitted."""

import logging
from collections.abc import Mapping
from pathlib import Path

from whysaid.data.files.table import TableValue
from whysaid.data.files.whole import write_whole

log = logging.getLogger(__name__)

CARD = "README.md"
"""The card's name, in the folder of the checkpoints."""

HEADING, NEXT = "## Support of named objects", "## Limits"
"""The section, and the one of every card that stands behind it."""

_SHOWN = {"auc": "area under the ROC curve", "calibration_error": "expected calibration error"}


def tell_card(ckpt: Path, file: Path, row: Mapping[str, TableValue]) -> None:
    """Writes how well support is calibrated into the model card beside a checkpoint, in place of what stood there.

    Where there is no card, or it may not be written, a line in the log says so.

    Args:
        ckpt: the checkpoint.
        file: where the support lies.
        row: of the study's table: `split`, `words`, and `auc` and `calibration_error` with their intervals.
    """
    path = ckpt.parent / CARD
    try:
        before, limits, after = path.read_text(encoding="utf-8").partition(f"{NEXT}\n")
        if not limits:
            return
        section = [
            HEADING,
            "",
            f"The probability that a named object is in the picture, by `{file.name}`; measured on {row['words']} "
            f"named objects of the {row['split']} split.",
            "",
            "| measure | value | 95 % interval over images |",
            "|---|---|---|",
            *(
                f"| {name} | {row[key]:.4f} | {row[f'{key}_low']:.4f} to {row[f'{key}_high']:.4f} |"
                for key, name in _SHOWN.items()
                if row[key] is not None
            ),
            "",
        ]
        write_whole(path, "\n".join([before.partition(HEADING)[0].rstrip("\n"), "", *section, limits + after]))
    except (OSError, UnicodeError) as error:
        log.info("the model card beside %s does not tell of support: %s", ckpt.name, error)
