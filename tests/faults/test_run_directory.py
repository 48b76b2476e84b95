"""Run directories: places where none can be, two runs in one, and a run that was killed in its last minutes."""

import errno
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from tests.faults.table import Kind
from tests.running import FIGURES, SCENES, only, run_door
from whysaid.errors import UserError
from whysaid.metrics.text import CIDEr
from whysaid.run import sole as sole_module
from whysaid.run.directory import fresh
from whysaid.run.interrupted import Interrupted
from whysaid.run.sole import LOCK, sole
from whysaid.run.together import end_launched, require_free_port, together


def dangling(path: Path) -> Path:
    path.symlink_to("nowhere")
    return path


def file(path: Path) -> Path:
    path.touch()
    return path


def loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


NOWHERE = Kind(
    "Places where nothing can be written",
    "One line, at once, that names the place and says what is in the way.",
    {
        "a link to what is not there": (dangling, "is a link to nowhere, which is not there"),
        "a folder below a link to what is not there": (lambda p: dangling(p) / "x", "is a link to nowhere, which is"),
        "a file": (file, "is a file)"),
        "a folder below a file": (lambda p: file(p) / "x", "is a file)"),
        "a link to itself": (loop, "cannot be read or written ("),
        "a name of 300 letters": (lambda p: p.with_name("x" * 300), "File name too long"),
    },
)


@NOWHERE.rows()
@pytest.mark.parametrize("key", ["paths.output_dir", "paths.data_dir"])
def test_a_place_where_nothing_can_be_written(
    fault: tuple[Callable[[Path], Path], str], key: str, tmp_path: Path
) -> None:
    make, message = fault
    places = {"paths.output_dir": tmp_path / "outputs", "paths.data_dir": tmp_path / "data", key: make(tmp_path / "in")}
    error = run_door("prepare", "data=scenes", *(f"{name}={place}" for name, place in places.items())).error
    assert f"{tmp_path}/" in error and message in error and "paths.output_dir, paths.data_dir" in error


def test_names_of_one_second_are_still_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len({fresh("outputs/train") for _ in range(5)}) == 5


# Two at once


@pytest.fixture
def held(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `tmp_path`."""
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX)"
    code += "; f.write('process 7 of that_node'); f.flush(); print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / LOCK)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_in_one_directory(held: subprocess.Popen[str], tmp_path: Path, finished: Path) -> None:
    for name in ("config.yaml", "metrics.json"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    error = run_door("train", f"resume={tmp_path}").error
    assert f"{tmp_path} is in use: process 7 of that_node trains in it" in error
    assert f"delete {tmp_path}/{LOCK}" in error
    assert {path: path.read_bytes() for path in before} == before


def test_the_directory_of_a_run_that_was_killed(held: subprocess.Popen[str], tmp_path: Path) -> None:
    """The kernel lets go of the lock, and a requeued job waits for that."""
    with pytest.raises(UserError, match="in use"), sole(tmp_path):
        pass
    held.kill()
    held.wait()
    with sole(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"process {os.getpid()} of {socket.gethostname()}"
    with sole(tmp_path):
        pass


def test_a_requeued_job_waits_for_the_node_that_has_died(
    held: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    monkeypatch.setattr(time, "sleep", lambda _: (held.kill(), held.wait()))
    with sole(tmp_path):
        pass
    assert held.returncode


def test_a_job_does_not_wait_for_ever(
    held: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    monkeypatch.setattr(sole_module, "AFTER_A_CRASH", 0.1)
    with pytest.raises(UserError, match="process 7 of that_node"), sole(tmp_path):
        pass


def test_the_further_processes_of_a_run_hold_nothing(
    held: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    with sole(tmp_path):
        pass


LOCKLESS = Kind(
    "A run directory on a file system without locks",
    "A warning says that nobody else may go on in it, and the run goes on.",
    {
        "no lock server": errno.ENOLCK,
        "locks are not supported": errno.EOPNOTSUPP,
        "locks are not implemented": errno.ENOSYS,
    },
)


@LOCKLESS.rows()
def test_a_file_system_without_locks(
    fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with caplog.at_level(logging.WARNING), sole(tmp_path):
        pass
    assert f"{tmp_path} cannot be locked ({os.strerror(fault)}): see that no second run" in caplog.text


# Killed in the final test


class Killed(BaseException):
    """In place of a signal."""


def test_a_run_that_is_killed_in_its_final_test(
    places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_tokens: None
) -> None:
    """Resumed, it knows all that the run to which nothing happened knows."""
    settings = [*SCENES, *FIGURES, *places, "trainer.max_epochs=2", "trainer.log_every_n_steps=1"]
    settings += ["test=true", only("test", "CIDEr", "BLEU"), "trainer.precision=32-true"]
    whole = run_door("train", *settings, f"hydra.run.dir={tmp_path}/whole").folder
    scored = CIDEr.__call__
    calls = []

    def killed(self: CIDEr, *given: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:  # two validations, that of the best checkpoint, the test
            raise Killed
        return scored(self, *given)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(CIDEr, "__call__", killed)
        run_door("train", *settings, f"hydra.run.dir={tmp_path}/run")
    resumed = run_door("train", f"resume={tmp_path}/run").folder
    assert json.loads((resumed / "metrics.json").read_text()) == json.loads((whole / "metrics.json").read_text())
    assert (resumed / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()


# Several processes


def trainer(port: int = 0, world_size: int = 2, rank: int = 0, processes: Any = None) -> Any:
    """What is asked of a trainer."""
    strategy = SimpleNamespace(
        cluster_environment=SimpleNamespace(main_port=port), launcher=SimpleNamespace(procs=processes)
    )
    return SimpleNamespace(strategy=strategy, world_size=world_size, global_rank=rank)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which another program listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_port_of_two_processes_is_in_use(
    taken: int, places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_PORT", str(taken))
    error = run_door("train", *SCENES, *FIGURES, *places, "trainer=ddp_cpu", "trainer.strategy=ddp").error
    assert f"cannot meet at port {taken}" in error and "set the environment variable MASTER_PORT" in error


def test_only_the_process_that_would_listen_asks_for_the_port(taken: int) -> None:
    for other in (trainer(taken, rank=1), trainer(taken, world_size=1)):
        require_free_port(other)
    with pytest.raises(UserError, match="cannot meet at port 70000"):
        require_free_port(trainer(70000))


FAILING = Kind(
    "A run of several processes whose first one fails",
    "The other processes are ended, and one line says what happened where another program or process is the cause.",
    {
        "its port is taken at the last moment": (RuntimeError("code: -98, name: EADDRINUSE"), "has taken the port"),
        "another process has died": (RuntimeError("[gloo] Connection closed by peer"), "of this run has died"),
        "a process that loads images has died": (RuntimeError("DataLoader worker (pid 7)"), "data.num_workers"),
        "an error of its own": (RuntimeError("of another kind"), None),
        "it is asked to end": (Interrupted(signal.SIGTERM), None),
    },
)


@FAILING.rows()
def test_where_the_first_process_fails_the_others_are_ended(fault: tuple[BaseException, str | None]) -> None:
    raised, ends = fault
    sleeper = subprocess.Popen(["sleep", "60"])
    launched = [sleeper]
    with pytest.MonkeyPatch.context() as patched, pytest.raises(BaseException) as error:
        patched.setattr("whysaid.run.together.GRACE", 0.05)
        patched.setattr("whysaid.run.together.GRACE_OF_INTERRUPTED", 0.05)
        with together(trainer(processes=launched), "try again"):
            raise raised
    assert sleeper.returncode == -9 and launched == []
    assert error.value is raised if ends is None else ends in str(error.value) and "; try again" in str(error.value)


def test_a_process_that_comes_to_its_own_end_is_not_killed() -> None:
    process = subprocess.Popen(["true"])
    end_launched(trainer(processes=[process]), grace=20)
    assert process.returncode == 0
