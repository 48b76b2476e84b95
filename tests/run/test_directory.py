"""Where runs are kept."""

from pathlib import Path

import pytest

from whysaid.errors import UserError
from whysaid.run import slurm
from whysaid.run.directory import continues, refuse_second, result_directory, run_directory, sweep_directory

JOB = {"SLURM_JOB_ID": "12", "SLURM_JOB_NAME": "whysaid", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No SLURM job, whatever these tests themselves run in."""
    array = [f"SLURM_ARRAY_{name}" for name in ("JOB_ID", "TASK_ID", "TASK_MIN", "TASK_COUNT")]
    for name in (*JOB, "SLURM_PROCID", "SLURM_RESTART_COUNT", *array):
        monkeypatch.delenv(name, raising=False)


def inside(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in {**JOB, **more}.items():
        monkeypatch.setenv(name, value)


def test_two_runs_of_one_second_are_kept_apart(tmp_path: Path) -> None:
    folders = [run_directory(str(tmp_path)) for _ in range(20)]
    assert len(set(folders)) == 20 and all(Path(folder).is_dir() for folder in folders)


def test_a_resumed_run_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside(monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("outputs/old").mkdir(parents=True)
    assert run_directory(str(tmp_path), "outputs/old") == "outputs/old"
    with pytest.raises(UserError, match="there is no run directory outputs/new"):
        run_directory(str(tmp_path), "outputs/new")
    assert not Path("outputs/new").exists()


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "slurm-12"),
        ({"SLURM_RESTART_COUNT": "3"}, "slurm-12"),
        ({"SLURM_STEP_ID": "2"}, "slurm-12.2"),
        ({"SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "4"}, "multirun/slurm-11/4"),
        ({"SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "4", "SLURM_STEP_ID": "1"}, "multirun/slurm-11/4.1"),
    ],
)
def test_a_job_keeps_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], name: str
) -> None:
    inside(monkeypatch, **more)
    assert run_directory(str(tmp_path)) == result_directory(str(tmp_path)) == str(tmp_path / name)


def test_an_interactive_job_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside(monkeypatch, SLURM_JOB_NAME="interactive")
    assert "slurm" not in run_directory(str(tmp_path)) and not slurm.requeue()


def test_a_job_of_one_process_may_evaluate_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside(monkeypatch, SLURM_NTASKS="1")
    assert result_directory(str(tmp_path)) != result_directory(str(tmp_path))


def test_a_requeued_job_sweeps_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside(monkeypatch)
    assert sweep_directory(str(tmp_path)) == str(tmp_path / "slurm-12")
    inside(monkeypatch, SLURM_RESTART_COUNT="1")
    assert sweep_directory(str(tmp_path)) == str(tmp_path / "slurm-12-2")
    assert sweep_directory(str(tmp_path), "study") == str(tmp_path / "study" / "slurm-12-2")


def test_only_a_requeued_job_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "slurm-12"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").touch()
    inside(monkeypatch, SLURM_RESTART_COUNT="1")
    assert not continues(folder), "there is no checkpoint"
    (folder / "checkpoints" / "last.ckpt").touch()
    assert continues(folder)
    inside(monkeypatch, SLURM_RESTART_COUNT="0")
    assert not continues(folder)
    with pytest.raises(UserError, match="start each of its runs with srun"):
        refuse_second(folder)
    refuse_second(tmp_path)


def test_scontrol_is_asked_and_its_refusal_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "scontrol"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n[ "$2" = 12 ] || {{ echo refused >&2; exit 1; }}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    inside(monkeypatch)
    assert slurm.requeue()
    inside(monkeypatch, SLURM_ARRAY_JOB_ID="11", SLURM_ARRAY_TASK_ID="4")
    assert not slurm.requeue() and "11_4 could not be requeued: refused" in caplog.text
    assert (tmp_path / "asked").read_text().splitlines() == ["requeue 12", "requeue 11_4"]


@pytest.mark.parametrize(("total", "shares"), [(8, [2, 2, 2, 2]), (10, [3, 3, 2, 2]), (2, [1, 1, 0, 0])])
def test_an_array_shares_out_what_is_to_do(monkeypatch: pytest.MonkeyPatch, total: int, shares: list[int]) -> None:
    assert slurm.own_share(total) == total
    array = {"SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1"}
    found = []
    for task in (1, 2, 3, 4):
        inside(monkeypatch, **array, SLURM_ARRAY_TASK_ID=str(task))
        found.append(slurm.own_share(total))
    assert found == shares
