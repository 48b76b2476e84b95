"""What the end-to-end tests share: one small world, and one small run in it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.hydra_config import HydraConfig

from tests.models.transformers.tiny import SAVE
from tests.models.transformers.tiny_families import DIALOGUES
from tests.running import COUNTS, SCENES, SIZE, run_door, without_java
from whysaid.data.scenes.write import build_scenes

SLURM = "slurm"
"""Folder whose tests wait more than they compute: they stand first, so that another worker computes meanwhile."""

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names of the program that shows pages."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that wait in front."""
    items.sort(key=lambda item: item.path.parent.name != SLURM)


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


@pytest.fixture(scope="session")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Family of models of transformers → the folder of a tiny one, saved once. Read only."""
    base = tmp_path_factory.mktemp("hub")

    def saved(family: str) -> Path:
        if not (base / family).exists():
            {**SAVE, **DIALOGUES}[family](base / family)
        return base / family

    return saved


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser, through Playwright; `CHROMIUM` in the environment names another program."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install -e '.[dev]'")
    program = os.environ.get("CHROMIUM") or next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("there is no Chromium: install one (apt-get install chromium), or name it in CHROMIUM")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


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
