"""Files that are damaged, full, foreign, or not to be written."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from tests.running import COUNTS, FIGURES, SCENES, SIZE, WORLD, run_door
from whysaid.data.annotated import read_annotations
from whysaid.data.captions.coco import Coco2017
from whysaid.data.captions.karpathy import Karpathy
from whysaid.data.files.annotation_file import read_json
from whysaid.errors import UserError
from whysaid.metrics.java import find_java
from whysaid.run.resumable import newest

pytestmark = pytest.mark.usefixtures("plain_tokens")


def test_a_full_disk_leaves_the_checkpoint_before(places: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    settings = [*SCENES, *FIGURES, *places, f"hydra.run.dir={tmp_path}/run", "test=false"]
    assert run_door("train", *settings).code == 0
    before = (folder / "last.ckpt").read_bytes()
    (folder / "last.ckpt.partial").symlink_to("/dev/full")  # whoever writes to it is told that the disk is full
    ran = run_door("train", f"resume={tmp_path}/run", "trainer.max_epochs=2")
    assert "last.ckpt could not be written ([Errno 28] No space left on device)" in ran.error
    assert "the one before it is whole" in ran.error
    assert (folder / "last.ckpt").read_bytes() == before
    assert run_door("train", f"resume={tmp_path}/run", "trainer.max_epochs=2").code == 0


def test_a_truncated_checkpoint_falls_back_to_the_newest_whole_one(places: list[str], tmp_path: Path) -> None:
    run = run_door("train", *SCENES, *FIGURES, *places, "test=false").folder
    last, best = run / "checkpoints" / "last.ckpt", run / "checkpoints" / "best.ckpt"
    assert newest(run) == last
    last.write_bytes(last.read_bytes()[:-100])
    assert newest(run) == best
    ran = run_door("train", f"resume={run}", "trainer.max_epochs=2")
    assert ran.code == 0, ran.err
    said = (run / "train.log").read_text()
    assert f"{last} is not whole (" in said and "): the run goes on from best.ckpt" in said
    assert torch.load(last, weights_only=True)["global_step"] == 12


def test_a_run_that_was_moved(finished: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(finished, tmp_path / "moved")
    assert f"{moved} was {finished} when it was trained" in run_door("train", f"resume={moved}").error


def features(data: Path) -> list[Path]:
    return sorted(data.glob("cache/scenes/features-*/*"))


@pytest.mark.parametrize("name", ["00000.f16", "index.json"])
def test_a_damaged_feature_cache_is_filled_again(data_dir: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(data_dir / "scenes", tmp_path / "data" / "scenes")
    frozen = [*SCENES, *FIGURES, "task.tune_encoder=false", f"paths.data_dir={tmp_path}/data", "test=false"]
    assert run_door("train", *frozen, f"paths.output_dir={tmp_path}/a").code == 0
    before = {path.name: path.read_bytes() for path in features(tmp_path / "data")}
    (damaged,) = [path for path in features(tmp_path / "data") if path.name == name]
    damaged.write_bytes(damaged.read_bytes()[:50])
    assert run_door("train", *frozen, f"paths.output_dir={tmp_path}/b").code == 0
    assert {path.name: path.read_bytes() for path in features(tmp_path / "data")} == before


def test_data_of_another_version(data_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(data_dir / "scenes", tmp_path / "data" / "scenes")
    manifest = tmp_path / "data" / "scenes" / "scenes.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 0}))
    places = [f"paths.data_dir={tmp_path}/data", f"paths.output_dir={tmp_path}/outputs"]
    assert "holds scenes drawn with another version: choose another folder" in run_door("train", *SCENES, *places).error


@pytest.fixture
def read_only(data_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """A data directory that even root cannot write to."""
    folder = tmp_path / "data"
    shutil.copytree(data_dir / "scenes", folder / "scenes")
    commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
    if os.geteuid() != 0 or any(subprocess.run(command, capture_output=True).returncode for command in commands):
        subprocess.run(["umount", folder], capture_output=True)
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.java
def test_a_data_directory_that_is_read_only_costs_no_result(read_only: Path, tmp_path: Path) -> None:
    settings = [*SCENES, *FIGURES, "task.tune_encoder=false", f"paths.data_dir={read_only}"]
    with patch("whysaid.metrics.tokenizer.find_java", find_java):  # the tokeniser that keeps what it made
        ran = run_door("train", *settings, f"paths.output_dir={tmp_path}/outputs")
        assert set(TESTED) <= json.loads((ran.folder / "metrics.json").read_text()).keys()
        assert len(json.loads((ran.folder / "predictions_test.json").read_text())) == COUNTS["test"]
        told = (ran.folder / "train.log").read_text()
        assert told.count("cannot be written (Read-only file system)") == 1 and "data.cache_dir=FOLDER" in told
        assert told.count("the encoder runs on each picture whenever it is needed") == 1
        elsewhere = [*settings, f"paths.output_dir={tmp_path}/more", f"data.cache_dir={tmp_path}/cache"]
        assert "cannot be" not in (run_door("train", *elsewhere).folder / "train.log").read_text()
    kept = {path.name.partition("-")[0] for path in (tmp_path / "cache").iterdir()}
    assert kept == {"corpus", "features", "pictures.json", "tokens", ".pictures.json.lock"}


TESTED = ("test/CIDEr", "val/CIDEr")


def test_annotations_of_absurd_size(tmp_path: Path) -> None:
    deep, long = tmp_path / "deep.json", tmp_path / "long.json"
    deep.write_text("[" * 200_000)
    with pytest.raises(UserError, match="is not a JSON file"):
        read_json(deep)
    with long.open("wb") as file:
        file.truncate(5 * 2**30)  # a hole: it takes no room
    with pytest.raises(UserError, match="more than any annotation file"):
        read_json(long)


def changed(finished: Path, tmp_path: Path, **config: object) -> Path:
    """A copy of a checkpoint with other values in its configuration; None takes a key out."""
    content = torch.load(finished / "checkpoints" / "best.ckpt", weights_only=True)
    content["config"] |= config
    content["config"] = {key: value for key, value in content["config"].items() if value is not None}
    torch.save(content, tmp_path / "changed.ckpt")
    return tmp_path / "changed.ckpt"


@pytest.fixture
def photo(data_dir: Path) -> Path:
    return next((data_dir / "scenes" / "test2017").iterdir())


@pytest.mark.parametrize("door", ["evaluate", "explain"])
@pytest.mark.parametrize("lacking", ["assemble", "data", "model", "encoder", "decoding"])
def test_a_checkpoint_of_another_program(
    finished: Path, photo: Path, places: list[str], tmp_path: Path, door: str, lacking: str
) -> None:
    given = [f"ckpt={changed(finished, tmp_path, **{lacking: None})}", *places]
    error = run_door(door, *given, "logger=none" if door == "evaluate" else f"image={photo}").error
    assert "changed.ckpt" in error and lacking in error and "give a checkpoint that" in error


@pytest.mark.parametrize("name", ["os", "whysaid.assemble.own_data", "whysaid.assemble.nowhere"])
def test_a_checkpoint_of_another_task(finished: Path, places: list[str], tmp_path: Path, name: str) -> None:
    ran = run_door("evaluate", f"ckpt={changed(finished, tmp_path, assemble=name)}", *places)
    assert f"assemble={name} is none of whysaid.assemble.captioning" in ran.error


def test_a_generator_says_no_words(finished: Path, photo: Path, places: list[str], tmp_path: Path) -> None:
    ckpt = changed(finished, tmp_path, assemble="whysaid.assemble.inpainting")
    assert (
        "is of inpainting, which says no words" in run_door("explain", f"ckpt={ckpt}", f"image={photo}", *places).error
    )


def test_flipped_bits_in_a_feature_cache_are_found_by_prepare(data_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(data_dir / "scenes", tmp_path / "data" / "scenes")
    settings = [override for override in WORLD if not override.startswith("encoder.")]
    encoder = ["encoder=scenes_cnn", f"encoder.image_size={SIZE}", "encoder.widths=[4, 8]", "features=true"]
    prepare = ["prepare", "data=scenes", *settings, *encoder, "data.min_count=1", f"paths.data_dir={tmp_path}/data"]
    assert run_door(*prepare).code == 0
    (shard,) = [path for path in features(tmp_path / "data") if path.suffix == ".f16"]
    before = shard.read_bytes()
    shard.write_bytes(bytes([before[0] ^ 1]) + before[1:])
    again = run_door(*prepare)
    assert again.code == 0 and f"{shard} was damaged" in again.err
    assert shard.read_bytes() == before and "was damaged" not in run_door(*prepare).err


@pytest.mark.parametrize(
    "content", [[], {}, {"images": [{}], "annotations": []}, {"images": 3, "annotations": [{"image_id": 1}]}]
)
def test_annotations_that_are_laid_out_in_another_way(tmp_path: Path, content: object) -> None:
    (tmp_path / "annotations").mkdir()
    for name in ("annotations/captions_val2017.json", "flickr.json", "annotations/instances_val2017.json"):
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(UserError, match="is not laid out as such a file is"):
        Coco2017(str(tmp_path)).read("test")
    with pytest.raises(UserError, match="is not laid out as such a file is"):
        Karpathy(str(tmp_path), "flickr.json", "photos").read("test")
    with pytest.raises(UserError, match="is not laid out as such a file is"):
        read_annotations(tmp_path / "annotations")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[]", "one checkpoint is wanted here"),
        ("[a.ckpt,b.ckpt]", "one checkpoint is wanted here"),
        ("3", "there is no checkpoint 3"),
        ("null", "ckpt= is missing"),
    ],
)
def test_something_else_than_one_checkpoint(places: list[str], photo: Path, given: str, message: str) -> None:
    assert message in run_door("explain", f"ckpt={given}", f"image={photo}", *places).error
    if "," not in given:  # an ensemble
        assert message in run_door("evaluate", f"ckpt={given}", *places).error
