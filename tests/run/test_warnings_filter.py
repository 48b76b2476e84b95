import re
import warnings

from tests.running import SCENES, run_door
from whysaid.run.warnings_filter import HARMLESS, filter_warnings


def test_others_are_still_heard() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        filter_warnings()
        warnings.warn("Found 17 module(s) in eval mode at the start of training. This may", stacklevel=1)
        warnings.warn("Checkpoint directory /a/b exists and is not empty.", stacklevel=1)
        warnings.warn("The dataloader is slow", stacklevel=1)
    assert [str(warning.message) for warning in heard] == ["The dataloader is slow"]


def test_a_run_keeps_them_back(places: list[str]) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        ran = run_door("train", *SCENES, *places, "task.tune_encoder=false", "trainer.max_epochs=1", "test=false")
    assert ran.code == 0
    messages = [str(warning.message) for warning in heard]
    assert not [m for m in messages if any(re.match(hushed, m) for hushed in HARMLESS)]
