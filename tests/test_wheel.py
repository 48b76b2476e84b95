"""A wheel, installed elsewhere: every door and the library work without a checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.running import FIGURES, SCENES, last_of_each

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bin_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a new environment in which the wheel of this checkout is installed.

    Its dependencies are those of the environment that runs the tests, by path: another five gigabytes of them would
    say no more. An editable installation there does not count, since files that install hooks are not read by path.
    """
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file() and name.startswith(("src/", "conf/", "pyproject", "setup", "README", "LICENSE")):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
    ]
    subprocess.run([*build, str(folder / "source")], check=True)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
        ).stdout.strip()
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = folder.glob("whysaid-*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--force-reinstall", str(wheel)], check=True)
    return python.parent


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder with nothing in it, to work in."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def run(folder: Path, *command: str | Path) -> str:
    """What a command prints that succeeds in a folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_package_is_the_wheels(bin_dir: Path, empty: Path) -> None:
    said = run(empty, bin_dir / "python", "-c", "import whysaid; print(whysaid.__file__, whysaid.LRP.__name__)")
    assert said.split()[1] == "LRP" and Path(said.split()[0]).is_relative_to(bin_dir.parent)
    assert not (Path(said.split()[0]).parents[1] / "src").exists()


def test_a_configuration_of_ones_own(bin_dir: Path, empty: Path) -> None:
    (empty / "conf" / "experiment").mkdir(parents=True)
    (empty / "conf" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - gridtd_scenes\n  - _self_\nseed: 4711\n"
    )
    for path in (["--config-dir", "conf"], ["hydra.searchpath=[file://conf]"]):
        composed = run(empty, bin_dir / "whysaid-train", *path, "experiment=mine", "--cfg", "job")
        assert re.search(r"^seed: 4711$", composed, re.MULTILINE) and "ScenesCNN" in composed


def test_it_trains_evaluates_and_explains(bin_dir: Path, empty: Path, data_dir: Path) -> None:
    settings = last_of_each([*SCENES, *FIGURES, "test=false", f"paths.data_dir={data_dir}"])
    run(empty, bin_dir / "whysaid-train", *last_of_each([*settings, "debug=fast_dev_run"]))
    trained = Path(run(empty, bin_dir / "whysaid-train", *settings).splitlines()[-1])
    ckpt = empty / trained / "checkpoints" / "best.ckpt"
    scored = run(
        empty,
        bin_dir / "whysaid-evaluate",
        f"ckpt={ckpt}",
        f"paths.data_dir={data_dir}",
        "metrics.test=${metrics.val}",
        "logger=none",
        "split=val",
    )
    assert "val/CIDEr" in scored
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(empty / "photo.png")
    explained = run(empty, bin_dir / "whysaid-explain", f"ckpt={ckpt}", "image=photo.png", "caption=a house")
    assert (empty / explained.splitlines()[-1] / "report.html").is_file()
    assert "data" not in {path.name for path in empty.iterdir()}, "nothing was drawn anew"
