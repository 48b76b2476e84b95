"""What a sweep leaves behind."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import FIGURES, SCENES, run_door
from tests.waiting import wait
from whysaid.doors.sweep import summarise
from whysaid.errors import UserError
from whysaid.run.optuna_study import trials_left
from whysaid.run.sweep import Job, read_jobs

pytestmark = pytest.mark.usefixtures("plain_tokens")

SMALL = [*SCENES, *FIGURES, "test=false"]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def sweeps(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "train" / "multirun"


def test_a_grid_ends_with_a_table_and_lists_what_failed(places: list[str], tmp_path: Path) -> None:
    ran = run_door("train", "-m", *SMALL, *places, "model=adaptive,gridtd", "data.min_count=1,100000")
    assert "no word occurs 100000 times" in ran.error
    (sweep,) = sweeps(tmp_path).iterdir()
    rows = table(sweep)
    assert [row["status"] for row in rows] == ["done", "done", "failed", "failed"]
    assert {row["model"] for row in rows} == {"adaptive", "gridtd"} and "seed" not in rows[0]
    assert float(rows[0]["value"]) >= float(rows[1]["value"]) == float(rows[1]["val/CIDEr"])
    assert all("no word occurs" in row["error"] for row in rows[2:])
    assert (sweep / "sweep.png").exists() and ran.out.splitlines()[-1] == str(sweep)
    assert "failed: no word" in " ".join(ran.out.split())


def test_a_run_by_itself_has_no_record(finished: Path) -> None:
    assert not (finished / "job.json").exists()


def put(folder: Path, name: str, **about: object) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "job.json").write_text(json.dumps({"folder": name, **about}))


def test_the_best_come_first_and_the_killed_last(tmp_path: Path) -> None:
    put(tmp_path, "0", status="done", value=0.5, monitor="val/L1", smaller_is_better=True, overrides={"a": "1"})
    put(tmp_path, "1", status="running", overrides={"a": "2"})
    put(tmp_path, "10", status="done", value=0.25, smaller_is_better=True, overrides={"a": "3"})
    put(tmp_path, "later/0", status="failed", error="why, really", overrides={"a": "3", "b": "x"})
    assert [job.folder for job in summarise(tmp_path)] == ["10", "0", "1", "later/0"]
    assert [row["status"] for row in table(tmp_path)] == ["done", "done", "running", "failed"]
    assert table(tmp_path)[3]["error"] == "why, really"
    assert read_jobs(tmp_path / "nowhere") == []


def test_a_damaged_record_is_a_job_that_failed(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    for content in ("{", "[]", '{"unknown": 1}'):
        (tmp_path / "0" / "job.json").write_text(content, encoding="utf-8")
        (job,) = read_jobs(tmp_path)
        assert job.folder == "0" and job.status == "failed" and "job.json is damaged" in job.error


def test_a_sweep_without_results_has_no_picture(tmp_path: Path) -> None:
    put(tmp_path, "0", status="failed", overrides={})
    assert isinstance(summarise(tmp_path)[0], Job) and not (tmp_path / "sweep.png").exists()


BEGIN = """
import sys, optuna
from whysaid.run.optuna_study import trials_left
for storage in sys.stdin:
    print(trials_left(storage.strip(), "shared", 3), flush=True)
"""


def test_processes_that_begin_together_make_one_data_base(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BEGIN]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(4)
    ]
    for attempt in range(6):  # in about every second one, Optuna tells a process that a table exists already
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"sqlite:///{tmp_path}/{attempt}.db\n")
        assert [process.stdout and process.stdout.readline() for process in processes] == ["3\n"] * 4
    for process in processes:
        process.communicate()
        assert process.returncode == 0


def test_a_data_base_that_cannot_be_opened_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("whysaid.run.optuna_study.PATIENCE", (0.0, 0.0))
    with pytest.raises(UserError, match=r"cannot open the study's data base sqlite:.*unable to open"):
        trials_left(f"sqlite:///{tmp_path}/nowhere/study.db", "tried", 3)


def study(tmp_path: Path, *overrides: str, trials: int = 3) -> list[str]:
    return ["-m", *SMALL, "sweep=optuna", "hydra.sweeper.study_name=tried", f"sweep.trials={trials}", *overrides]


def test_optuna_lists_failures_and_a_killed_sweep_goes_on(places: list[str], tmp_path: Path) -> None:
    varied = "optimizer.lr=tag(log,interval(1e-4,1e-2))"
    ran = run_door("train", *study(tmp_path, varied, trials=1), *places)
    assert ran.code == 0, ran.err
    ran = run_door("train", *study(tmp_path, varied, "data.min_count=100000", trials=3), *places)
    assert ran.code == 0, ran.err
    folder = sweeps(tmp_path) / "tried"
    assert [row["status"] for row in table(folder)] == ["done", "failed", "failed"]
    assert trials_left(f"sqlite:///{folder}/study.db", "tried", 5) == 2
    again = run_door("train", *study(tmp_path, varied, trials=4), *places)
    assert again.code == 0, again.err
    assert len(table(folder)) == 4 and len({row["job"].partition("/")[0] for row in table(folder)}) == 3
    assert float(table(folder)[0]["optimizer.lr"]) > 0
    assert [path.name for path in sweeps(tmp_path).iterdir()] == ["tried"]


def test_a_sweep_that_is_killed_does_the_trials_that_are_left(places: list[str], tmp_path: Path) -> None:
    given = [*study(tmp_path, "optimizer.lr=tag(log,interval(1e-4,1e-2))", trials=3), *places]
    environment = {**os.environ, "PATH": ""}  # no Java
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-m", "src.train", *given]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    second = "tried/*/1/job.json"
    wait(lambda: list(sweeps(tmp_path).glob(second)), 120, (tmp_path / "log").read_text)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert run_door("train", *given).code == 0
    rows = table(sweeps(tmp_path) / "tried")
    assert sorted(row["status"] for row in rows) == ["done", "done", "done", "running"]
    assert trials_left(f"sqlite:///{sweeps(tmp_path)}/tried/study.db", "tried", 3) == 0


def test_a_study_whose_trials_all_fail(places: list[str], tmp_path: Path) -> None:
    ran = run_door("train", *study(tmp_path, "data.min_count=choice(100000,200000)", trials=2), *places)
    assert "no trial of the study has succeeded" in ran.error
    assert "failed: no word occurs" in " ".join(ran.out.split())
    assert [row["status"] for row in table(sweeps(tmp_path) / "tried")] == ["failed", "failed"]


def test_a_trial_that_falls_behind_ends_early(places: list[str], tmp_path: Path) -> None:
    pruner = "+callbacks.pruning.pruner={_target_: optuna.pruners.ThresholdPruner, lower: 9.5}"
    given = study(
        tmp_path, "seed=choice(1,2,3,4)", "~callbacks.pruning.pruner", pruner, "trainer.max_epochs=3", trials=1
    )
    ran = run_door("train", *given, *places)
    assert ran.code == 0, ran.err
    (row,) = table(sweeps(tmp_path) / "tried")
    folder = sweeps(tmp_path) / "tried" / row["job"]
    assert row["status"] == "done" and "ended early" in (folder / "train.log").read_text()
    epochs = {entry["epoch"] for entry in csv.DictReader((folder / "metrics.csv").open()) if entry["val/CIDEr"]}
    assert epochs == {"0"}
