"""Where the time of a step goes."""

import pytest

from tests.running import FIGURES, SCENES, run_door


@pytest.mark.usefixtures("plain_tokens")
def test_a_profiled_run_prints_a_table(places: list[str]) -> None:
    ran = run_door("train", *SCENES, *FIGURES, *places, "debug=profile")
    table = ran.err[ran.err.index("Profile: the 20 largest actions.") :].split("smaller actions")[0]
    assert "run_training_batch" in table and "train_dataloader_next" in table
    assert 20 <= table.count(" │\n") <= 40 and max(map(len, table.splitlines())) <= 120
