"""What a run starts and somebody kills."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import get_worker_info

from tests.running import FIGURES, SCENES, only, run_door
from whysaid.data.captions.dataset import CaptionDataset


@pytest.mark.usefixtures("plain_tokens")
def test_a_worker_of_the_data_loader(places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = CaptionDataset.text_batch

    def dies(self: CaptionDataset, keys: Any) -> Any:
        if get_worker_info() is not None and keys[0].epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return told(self, keys)

    settings = [*SCENES, *FIGURES, *places, "data.num_workers=1", "trainer.max_epochs=3"]
    with monkeypatch.context() as patched:
        patched.setattr(CaptionDataset, "text_batch", dies)
        ran = run_door("train", *settings, f"hydra.run.dir={tmp_path}/run", "callbacks.last.every_n_train_steps=4")
    assert "a process that loads images was killed" in ran.error and f"resume={tmp_path}/run" in ran.error
    assert run_door("train", f"resume={tmp_path}/run").code == 0


def test_the_java_of_a_metric(
    places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\nkill -9 $$\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{java.parent}:{os.environ['PATH']}")
    test = only("test", "CIDEr", "METEOR")
    ran = run_door("train", *SCENES, *FIGURES, *places, test)
    log = (ran.folder / "train.log").read_text()
    assert log.count("METEOR unavailable: METEOR's Java process ended early") == 1
    assert "test/CIDEr" in (ran.folder / "metrics.json").read_text()
