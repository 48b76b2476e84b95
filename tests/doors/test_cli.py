"""What the doors share."""

import io
from pathlib import Path

from rich.console import Console

from whysaid.doors.results import finish, metrics_table
from whysaid.run.resolvers import run_id


def printed(metrics: dict[str, float]) -> str:
    console = Console(width=120, file=io.StringIO())
    with console.capture() as captured:
        console.print(metrics_table(metrics))
    return captured.get()


def test_baselines_stand_beside_their_metric() -> None:
    text = printed({"test/CIDEr": 0.5, "test/CIDEr_human": 0.9, "test/object_mAP_words": 3.0, "train/loss": 2.0})
    row = next(line for line in text.splitlines() if "test/CIDEr" in line)
    assert "0.5000" in row and "0.9000" in row
    assert "object_mAP_words" in text
    assert "train/loss" not in text


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


def test_metrics_of_the_training_split_are_shown_where_it_was_evaluated() -> None:
    assert "train/CIDEr" in printed({"train/CIDEr": 0.5, "train/CIDEr_human": 0.9})
