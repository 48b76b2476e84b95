"""The notebooks run from the first cell to the last, and both files of a pair say the same."""

import runpy
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from whysaid.assemble.captioning import load_captioner
from whysaid.attribution.support.logistic import Logistic
from whysaid.attribution.support.support import Support, beside, captioner_key

jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed: pip install -e '.[dev]'")

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.fixture
def folder(finished: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as `make train` and `study=support` leave it."""
    ckpt = tmp_path / "outputs/train/run/checkpoints/best.ckpt"
    ckpt.parent.mkdir(parents=True)
    shutil.copy(finished / "checkpoints/best.ckpt", ckpt)
    captioner, checkpoint = load_captioner(str(ckpt))
    key = captioner_key(captioner, checkpoint.vocabulary.words)
    Support(key, {("log_p",): Logistic([1.0], 2.0)}).write(beside(ckpt))
    (tmp_path / "data").symlink_to(data_dir)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("*.py")))
def test_a_notebook_runs(name: str, folder: Path) -> None:
    runpy.run_path(str(NOTEBOOKS / f"{name}.py"))
    assert plt.get_fignums(), "it draws something"
    plt.close("all")


def test_support_is_shown_or_its_command_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = str(NOTEBOOKS / "does_it_hallucinate.py")
    runpy.run_path(notebook)
    assert "doubtful: " in capsys.readouterr().out
    (folder / "outputs/train/run/checkpoints/best.support.json").unlink()
    runpy.run_path(notebook)
    assert "nobody has fitted the support yet" in capsys.readouterr().out
    plt.close("all")


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("*.py")))
def test_the_two_files_of_a_pair_say_the_same(name: str) -> None:
    script, notebook = (jupytext.read(NOTEBOOKS / f"{name}{suffix}") for suffix in (".py", ".ipynb"))
    cells = [[(cell.cell_type, cell.source) for cell in file.cells] for file in (script, notebook)]
    assert cells[0] == cells[1], f"run: jupytext --sync notebooks/{name}.py"
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not kept"
