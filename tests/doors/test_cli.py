"""What the doors share."""

import io
import os
from pathlib import Path

import pytest
import wandb
from rich.console import Console

from whysaid.doors.results import finish, metrics_table
from whysaid.run.resolvers import run_id


def printed(metrics: dict[str, float], notes: dict[str, str] | None = None) -> str:
    console = Console(width=120, file=io.StringIO())
    with console.capture() as captured:
        console.print(metrics_table(metrics, notes))
    return captured.get()


def test_baselines_stand_beside_their_metric() -> None:
    text = printed({"test/CIDEr": 0.5, "test/CIDEr_human": 0.9, "test/object_mAP_words": 3.0, "train/loss": 2.0})
    row = next(line for line in text.splitlines() if "test/CIDEr" in line)
    assert "0.5000" in row and "0.9000" in row
    assert "object_mAP_words" in text
    assert "train/loss" not in text


def test_a_note_stands_beside_its_metric_and_takes_no_room_where_there_is_none() -> None:
    text = printed({"val/CIDEr": 0.0, "val/BLEU-4": 0.25}, {"val/CIDEr": "0 by construction", "test/CIDEr": "not here"})
    rows = {name: next(line for line in text.splitlines() if name in line) for name in ("val/CIDEr", "val/BLEU-4")}
    assert "0 by construction" in rows["val/CIDEr"] and "0.0000" in rows["val/CIDEr"]
    assert "construction" not in rows["val/BLEU-4"] and "not here" not in text
    assert "note" not in printed({"val/BLEU-4": 0.25}, {"val/CIDEr": "0 by construction"})


def test_what_ends_like_a_baseline_but_stands_alone_keeps_its_whole_name() -> None:
    text = printed({"test/importance_drop_mean_fill": 0.5, "test/importance_drop_" + "very_" * 30 + "long": 0.25})
    assert "test/importance_drop_mean_fill" in text and "mean colour" not in text
    first = "".join(line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│"))
    assert first.count("very_") == 30


def test_the_last_line_is_the_run_directory(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    finish({"test/CIDEr": 0.5}, tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path)
    assert (tmp_path / "metrics.json").read_text() == '{\n  "test/CIDEr": 0.5\n}\n'
    assert not list(tmp_path.glob("*.partial"))


def test_run_ids_are_stable_and_differ_between_directories() -> None:
    assert run_id("outputs/train/a") == run_id("outputs/train/a") != run_id("outputs/train/b")


@pytest.mark.parametrize(
    "folder",
    ["runs/a:b;c,d#e?f'g/1", "läufe/日本/1", "x" * 300, "with space/(1)/%2F\\", os.fsdecode(b"runs/\xff/1"), "/"],
)
def test_run_ids_of_any_directory_are_what_wandb_takes(folder: str) -> None:
    settings = wandb.Settings(run_id=run_id(folder))  # raises where W&B would refuse it
    assert settings.run_id == run_id(folder) and settings.run_id.isascii() and len(settings.run_id) <= 128
    assert run_id(folder) != run_id(folder + "2")


def test_metrics_of_the_training_split_are_shown_where_it_was_evaluated() -> None:
    assert "train/CIDEr" in printed({"train/CIDEr": 0.5, "train/CIDEr_human": 0.9})
