"""What the end-to-end tests share: one small world, and one small run in it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hydra.core.hydra_config import HydraConfig

from tests.running import COUNTS, SCENES, SIZE, run_door, without_java
from whysaid.data.scenes.write import build_scenes


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small lose time on a second thread, and sums keep their order on one."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of processes that tests start
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`paths.data_dir` with the world drawn in it. Caches may be added; nothing else may change."""
    folder = tmp_path_factory.mktemp("data")
    build_scenes(folder / "scenes", size=SIZE, counts=COUNTS)
    return folder


@pytest.fixture
def places(data_dir: Path, tmp_path: Path) -> list[str]:
    """Overrides: data from the shared world, run directories under the test's own folder."""
    return [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path}/outputs"]


@pytest.fixture(scope="session")
def finished(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of two epochs with everything that draws and writes. Read only."""
    outputs = tmp_path_factory.mktemp("finished")
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={outputs}"]
    with without_java():
        ran = run_door("train", *SCENES, *places, "trainer.max_epochs=2", "trainer.log_every_n_steps=1")
    return ran.folder


@pytest.fixture
def plain_tokens() -> Iterator[None]:
    """Captions are tokenised without Java."""
    with without_java():
        yield


@pytest.fixture(autouse=True)
def no_job() -> Iterator[None]:
    """Whatever a test composes, the next begins outside of any Hydra job."""
    yield
    HydraConfig.instance().cfg = None
