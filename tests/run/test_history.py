"""`metrics.csv`."""

import csv
from pathlib import Path

import pytest

from whysaid.errors import UserError
from whysaid.run.history import History


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def written(folder: Path, *logged: tuple[dict[str, float], int]) -> None:
    history = History(str(folder))
    for metrics, step in logged:
        history.log_metrics(metrics, step)
        history.save()


def test_values_of_a_step_share_a_row(tmp_path: Path) -> None:
    written(tmp_path, ({"loss": 2.0}, 0), ({"loss": 1.0}, 1), ({"CIDEr": 0.5}, 1))
    assert read(tmp_path) == [{"step": "0", "CIDEr": "", "loss": "2.0"}, {"step": "1", "CIDEr": "0.5", "loss": "1.0"}]


def test_a_resumed_run_goes_on(tmp_path: Path) -> None:
    written(tmp_path, ({"loss": 2.0}, 0), ({"loss": 1.0, "lr": 0.1}, 1))
    written(tmp_path, ({"loss": 0.5, "CIDEr": 1.0}, 2))
    assert [(row["step"], row["loss"], row["lr"], row["CIDEr"]) for row in read(tmp_path)] == [
        ("0", "2.0", "", ""),
        ("1", "1.0", "0.1", ""),
        ("2", "0.5", "", "1.0"),
    ]


def test_steps_that_are_repeated_replace_what_was_there(tmp_path: Path) -> None:
    written(tmp_path, *(({"loss": float(step)}, step) for step in range(6)))
    written(tmp_path, ({"loss": 30.0}, 3))
    assert [(row["step"], row["loss"]) for row in read(tmp_path)] == [
        ("0", "0.0"),
        ("1", "1.0"),
        ("2", "2.0"),
        ("3", "30.0"),
    ]


def test_a_run_that_logs_nothing_new_keeps_its_history(tmp_path: Path) -> None:
    written(tmp_path, ({"loss": 2.0}, 0))
    before = (tmp_path / "metrics.csv").read_text()
    History(str(tmp_path)).save()
    assert (tmp_path / "metrics.csv").read_text() == before


@pytest.mark.parametrize("cut", [1, 3, 8])
def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path, cut: int) -> None:
    written(tmp_path, ({"a": 1.5, "b": 2.5}, 0), ({"a": 3.5, "b": 4.5}, 1))
    path = tmp_path / "metrics.csv"
    path.write_bytes(path.read_bytes()[: -len(b"3.5,4.5\r\n")])
    written(tmp_path, ({"a": 5.5}, 2))
    assert [row["step"] for row in read(tmp_path)] in (["0", "2"], ["0", "1", "2"])
    assert read(tmp_path)[0]["b"] == "2.5"


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    written(tmp_path / ".", ({"loss": 2.0}, 0))
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00step", b"epoch,loss\n1,2\n", b"step,loss\nfirst,2\n", b"step\x00,loss\n1,2\n"]
)
def test_a_file_that_is_no_history(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.csv is no history of a run .*: move it away"):
        History(str(tmp_path))
    assert (tmp_path / "metrics.csv").read_bytes() == content
