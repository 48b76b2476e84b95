"""Numbers out of range, too little memory, and a locale without letters."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from tests.faults.table import Kind
from tests.running import FIGURES, SCENES, only, run_door
from whysaid.run.conf import CONF
from whysaid.run.ranges import RANGES, require_ranges

OUT_OF_RANGE = Kind(
    "Numbers out of range",
    "One line, before anything is built, with the key and the nearest number that may stand there.",
    {
        f"{key}={value}": (f"{key}={value}", f"{key} is {number}: set it to at {nearest}")
        for key, value, number, nearest in (
            ("seed", -1, -1, "least 0"),
            ("seed", 99999999999, 99999999999, "most 4294967295"),
            ("data.seed", -1, -1, "least 0"),
            ("data.batch_size", 0, 0, "least 1"),
            ("data.batch_size", -3, -3, "least 1"),
            ("data.eval_batch_size", 0, 0, "least 1"),
            ("data.num_workers", -1, -1, "least 0"),
            ("data.captions_per_image", 0, 0, "least 1"),
            ("data.min_count", 0, 0, "least 1"),
            ("data.max_broken", 7, 7, "most 1"),
            ("encoder.image_size", 0, 0, "least 1"),
            ("encoder.widths", "[4,0,8]", 0, "least 1"),
            ("objective.label_smoothing", 3, 3, "most 1"),
            ("callbacks.last.every_n_train_steps", 0, 0, "least 1"),
            ("callbacks.early_stopping.patience", -1, -1, "least 0"),
            ("trainer.accumulate_grad_batches", -1, -1, "least 1"),
            ("trainer.log_every_n_steps", 0, 0, "least 1"),
            ("trainer.gradient_clip_val", -1, -1, "least 0"),
        )
    },
)


@OUT_OF_RANGE.rows()
def test_a_number_out_of_range(fault: tuple[str, str], places: list[str], tmp_path: Path) -> None:
    override, message = fault
    assert message in run_door("train", *SCENES, *places, override).error
    assert not list(tmp_path.rglob("config.yaml"))


def test_every_bounded_key_is_one_that_there_is() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in CONF.rglob("*.yaml"))
    assert [key for key in RANGES if f"{key.rpartition('.')[2]}:" not in text] == []


def test_what_is_no_number_is_passed_over() -> None:
    for value in (None, "text", True, "${nowhere}", {"a": -1}):
        require_ranges(OmegaConf.create({"seed": 1, "data": {"batch_size": value}}))


def wrapped(cause: Exception) -> Exception:
    """As Hydra raises what a constructor has raised."""
    error = InstantiationException("Error in call to target 'whysaid.models.gridtd.GridTD'")
    error.__cause__ = cause
    return error


TOO_LITTLE_MEMORY = Kind(
    "Too little memory",
    "One line says so, with what asks for less.",
    {
        "Python has none left": MemoryError(),
        "NumPy has none left": MemoryError("Unable to allocate 35.6 GiB for an array"),
        "torch has none left": RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
        ),
        "the GPU has none left": RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        "a model does not fit": wrapped(RuntimeError("DefaultCPUAllocator: not enough memory")),
        "C++ has none left": RuntimeError("std::bad_alloc"),
    },
)


@TOO_LITTLE_MEMORY.rows()
def test_too_little_memory(fault: Exception, places: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> None:
        raise fault

    monkeypatch.setattr("whysaid.doors.train.assembly", raises)
    error = run_door("train", *SCENES, *places).error
    assert "there is too little memory for this (" in error and "lower data.batch_size" in error


LOADING = Kind(
    "A door that cannot be loaded",
    "One line says that the libraries need more memory; an error of another kind keeps its stack trace.",
    {
        "the address space is limited": ("ImportError('libtorch.so: failed to map segment from shared object')", True),
        "the system has no memory left": ("OSError(12, 'Cannot allocate memory')", True),
        "Python has no memory left": ("MemoryError()", True),
        "no thread can be started": ("""RuntimeError("can't start new thread")""", True),
        "a library is missing": ("ImportError('no such library')", False),
    },
)


def opened(tmp_path: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A door whose first import runs some code."""
    (tmp_path / "pytorch_lightning.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "src.train"]
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", **environment}
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60)


@LOADING.rows()
def test_a_door_that_cannot_be_loaded(fault: tuple[str, bool], tmp_path: Path) -> None:
    raised, one_line = fault
    ran = opened(tmp_path, f"raise {raised}")
    assert ran.returncode == 1 and ("Traceback" not in ran.stderr) == one_line
    assert ran.stderr.startswith("error: there is too little memory to load the libraries (") == one_line


def test_a_locale_without_the_letters_of_a_caption(tmp_path: Path) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = opened(tmp_path, "import sys\nprint(sys.stdout.encoding, 'café 日本')\nsys.exit(0)", **ascii_only)
    assert ran.returncode == 0 and ran.stdout.split()[1:] == ["caf\\xe9", "\\u65e5\\u672c"], ran.stderr
    logging = OmegaConf.load(CONF / "hydra" / "job_logging" / "run.yaml")
    assert logging.handlers.file.encoding == "utf-8"


def test_a_metric_that_nobody_measures(places: list[str], plain_tokens: None) -> None:
    ran = run_door("train", *SCENES, *FIGURES, *places, only("val", "CIDEr"), "monitor=val/nothing")
    assert "error: monitor=val/nothing is not measured: choose one of val/CIDEr" in ran.error
