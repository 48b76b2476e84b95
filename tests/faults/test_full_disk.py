"""A disk that is full while something is written to it."""

import subprocess
from collections.abc import Callable, Iterator
from errno import ENOSPC
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.faults.table import Kind
from tests.faults.test_caches import IMAGES, WORDS
from tests.running import COUNTS, SCENES, SIZE, only, run_door
from whysaid.data.captions.corpus import Corpus
from whysaid.data.files import whole
from whysaid.data.scenes.write import build_scenes
from whysaid.run.error_message import error_line, expected
from whysaid.studies.human_attention.journal import Journal

pytestmark = pytest.mark.usefixtures("plain_tokens")

Fill = Callable[[str], None]
"""Makes the disk full for the files of a name."""


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Fill:
    """Whoever writes to /dev/full is told that the disk is full, without the name of a file."""
    beside = whole.partial_of

    def fill(pattern: str) -> None:
        def partial_of(path: Path) -> Path:
            partial = beside(path)
            if fnmatch(path.name, pattern) and not partial.is_symlink():
                partial.symlink_to("/dev/full")
            return partial

        monkeypatch.setattr(whole, "partial_of", partial_of)

    return fill


def half_written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".partial") or (path.is_symlink())]


DRAWN = Kind(
    "A full disk while a world is drawn",
    "One line names the folder; nothing is half-written, and with room the drawing goes on.",
    {
        "at a picture": ("train2017", "*.png"),
        "at the captions": ("annotations", "captions_train2017.json"),
        "at the questions": ("vqa", "v2_OpenEnded_mscoco_val2017_questions.json"),
        "at the list of what is there": ("", "scenes.json"),
    },
)


@DRAWN.rows()
def test_a_world_is_drawn(fault: tuple[str, str], full: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, name = fault
    counts = {split: 2 for split in COUNTS}
    with monkeypatch.context():
        full(name)
        with pytest.raises(OSError, match="No space left on device") as raised:
            build_scenes(tmp_path / "scenes", size=SIZE, counts=counts, workers=1)
    assert expected(raised.value)
    assert error_line(raised.value).startswith(f"the disk of {tmp_path / 'scenes' / folder} is full (No space left")
    assert half_written(tmp_path) == []
    monkeypatch.undo()
    build_scenes(tmp_path / "scenes", size=SIZE, counts=counts, workers=1)


WRITTEN = Kind(
    "A full disk while a command writes",
    "The command ends with one line that names the folder; nothing is half-written.",
    {
        "at the configuration of an evaluation": ("evaluate", "config.yaml"),
        "at the predictions of an evaluation": ("evaluate", "predictions_test.json"),
        "at the metrics of an evaluation": ("evaluate", "metrics.json"),
        "at the configuration of an explanation": ("explain", "config.yaml"),
        "at a picture of an explanation": ("explain", "*.png"),
        "at the maps of an explanation": ("explain", "*.npz"),
        "at the list of explanations": ("explain", "explanations.json"),
        "at the report of an explanation": ("explain", "report.html"),
        "at the features of a frozen encoder": ("prepare", "00000.f16"),
        "at the index of features": ("prepare", "index.json"),
    },
)


def arguments(door: str, finished: Path, data_dir: Path, folder: Path) -> list[str]:
    places = [f"paths.output_dir={folder}/outputs"]
    if door == "evaluate":
        return [f"ckpt={finished}", *places, "logger=none", "decoding=greedy", only("test", "CIDEr")]
    if door == "explain":
        photo = next((data_dir / "scenes" / "test2017").iterdir())
        return [f"ckpt={finished}", *places, f"image={photo}", "decoding=greedy", "caption=a ball"]
    world = [setting for setting in SCENES if setting.startswith(("data.", "encoder."))]
    cache = f"data.cache_dir={folder}/cache"
    encoder = ["encoder=scenes_cnn", "features=true", *world]
    return ["data=scenes", *encoder, *places, f"paths.data_dir={data_dir}", cache]


@WRITTEN.rows()
def test_a_command_writes(fault: tuple[str, str], full: Fill, finished: Path, data_dir: Path, tmp_path: Path) -> None:
    door, name = fault
    full(name)
    error = run_door(door, *arguments(door, finished, data_dir, tmp_path)).error
    assert f"error: the disk of {tmp_path}" in error and "is full (No space left on device): make room" in error
    assert half_written(tmp_path) == []


KEPT = Kind(
    "A full disk while a cache is written",
    "The run does without the cache: one warning says so, and nothing is half-written.",
    {"at a vocabulary": "vocabulary.json", "at document frequencies": "document_frequencies.npz"},
)


@KEPT.rows()
def test_a_corpus_is_built(fault: str, full: Fill, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    full(fault)
    corpus = Corpus(tmp_path, IMAGES, min_count=1, max_words=9)
    assert corpus.vocabulary.words == WORDS and corpus.document_frequencies.documents == 3
    assert f"{tmp_path} cannot be written (No space left on device)" in caplog.text
    assert half_written(tmp_path) == [] and not (tmp_path / fault).exists()


def test_a_journal_of_a_study(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", {})
    journal.path.unlink()
    journal.path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        journal.add({"a": 1})
    assert f"the disk of {tmp_path} is full" in error_line(raised.value)


def test_a_disk_that_nobody_names() -> None:
    error = OSError(ENOSPC, "No space left on device")
    assert expected(error) and error_line(error).startswith("a disk is full (No space left on device): make room")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("door", ["evaluate", "explain", "prepare"])
def test_a_real_file_system_without_room(door: str, small: Path, finished: Path, data_dir: Path) -> None:
    """Not even the log can be written: one line says so beside the error."""
    settings = arguments(door, finished, data_dir, small)
    with (small / "filling").open("wb") as file, pytest.raises(OSError, match="No space left"):
        file.write(bytes(2**21))
    ran = run_door(door, *settings)
    assert f"error: the disk of {small}" in ran.error and "Logging error" not in ran.err
    assert half_written(small) == [] and (small / "filling").stat().st_size <= 2**20
