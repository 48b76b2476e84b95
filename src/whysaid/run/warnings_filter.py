"""A filter of warnings from libraries that give a user nothing to act upon."""

import warnings

HARMLESS = {
    r"The `srun` command is available on your system but is not used": "a run without srun is what was asked for",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated": "Lightning's own use of torch",
    r"Found \d+ module\(s\) in eval mode at the start of training": "a frozen encoder is meant to be",
    r"You're resuming from a checkpoint that ended before the epoch ended": "the data modules go on where it ended",
    r"Glyph \d+ .* missing from font": "figures say once which letters no installed font has",
    r"It is recommended to use `self\.log\('(val|test)/": "what several processes find is gathered before it is logged",
    r"Checkpoint directory .* exists and is not empty": "the run that is resumed wrote it",
}
"""How a message begins → why it is kept back."""


def filter_warnings() -> None:
    """Ignores the `HARMLESS` warnings from here on, in this process and in those that it forks."""
    for message in HARMLESS:
        warnings.filterwarnings("ignore", message=message)
