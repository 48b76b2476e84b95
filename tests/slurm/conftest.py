"""One cluster for all tests of this folder."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes, which share a $TMPDIR. `python` is this one, and Java is broken: captions are tokenised without it,
    which is quicker."""
    if missing():
        pytest.skip(missing())
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # a short path
    started = Cluster(folder, nodes=2)
    try:
        started.start()
        java = folder / "bin" / "java"
        java.write_text("#!/bin/sh\nexit 1\n")
        java.chmod(0o755)
        started.environment["PATH"] = f"{folder}/bin:{Path(sys.executable).parent}:{started.environment['PATH']}"
        started.environment["TMPDIR"] = str(folder / "tmp")
        (folder / "tmp").mkdir()
        yield started
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are submitted from the root of the project."""
    monkeypatch.chdir(ROOT)
