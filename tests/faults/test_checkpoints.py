"""Checkpoints that are damaged, foreign, or of another version."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch

from tests.faults.table import Kind
from whysaid.assemble.captioning import build_subject
from whysaid.checkpoint import TRUST
from whysaid.errors import UserError
from whysaid.run.resumable import newest


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def changed(**parts: Any) -> Callable[[Path], None]:
    """A file with other values at its top; `...` takes a key out."""

    def change(path: Path) -> None:
        content = {**torch.load(path, weights_only=True), **parts}
        torch.save({key: value for key, value in content.items() if value is not ...}, path)

    return change


def at(key: str, value: Any) -> Callable[[Path], None]:
    """A file with another value at a key of its configuration; `...` takes the key out."""

    def change(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        *before, last = key.split(".")
        node = content["config"]
        for part in before:
            node = node[part]
        node[last] = value
        if value is ...:
            del node[last]
        torch.save(content, path)

    return change


def flipped(share: float) -> Callable[[Path], None]:
    """One bit at a place of the file, a share of its length."""

    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(share * len(data))] ^= 4
        path.write_bytes(data)

    return change


def zeroed(path: Path) -> None:
    """A page of the disk that was never written."""
    data = bytearray(path.read_bytes())
    data[8192 : 8192 + 4096] = bytes(4096)
    path.write_bytes(data)


def packed(path: Path) -> None:
    """The same archive, compressed: a few bytes of it could become gigabytes."""
    with ZipFile(path) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def poisoned(value: float) -> Callable[[Path], None]:
    """The last weights of the model hold a value that is no number."""

    def change(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        content["state_dict"][list(content["state_dict"])[-1]].view(-1)[-1] = value
        torch.save(content, path)

    return change


def folder_in_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGED = Kind(
    "Damaged checkpoints",
    "One line names the file and says what is wrong with it. A run that goes on takes its best checkpoint in place of "
    "such a last one.",
    {
        "an empty file": lambda path: path.write_bytes(b""),
        "a file of text": lambda path: path.write_text("no checkpoint", encoding="utf-8"),
        "a file that was cut at 100 bytes": lambda path: os.truncate(path, 100),
        "a file that was cut in its middle": lambda path: os.truncate(path, path.stat().st_size // 2),
        "a file without its last byte": lambda path: os.truncate(path, path.stat().st_size - 1),
        "a page of zeros": zeroed,
        "a flipped bit in the middle": flipped(0.5),
        "a flipped bit in the last third": flipped(0.7),
        "a file that is compressed": packed,
        "weights that are NaN": poisoned(float("nan")),
        "weights that are infinite": poisoned(float("inf")),
        "a list in place of a mapping": lambda path: torch.save([1, 2], path),
        "no weights": changed(state_dict=...),
        "weights that are text": changed(state_dict={"captioner.a": "text"}),
    },
)

FOREIGN = Kind(
    "Checkpoints with other contents",
    "One line names the file and what is wrong with it; nothing that the file names is called.",
    {
        "no configuration": changed(config=...),
        "a list for a configuration": changed(config=[1]),
        "no vocabulary": changed(vocabulary=...),
        "a vocabulary without its marks": changed(vocabulary=["a", "dog"]),
        "a vocabulary that holds a word twice": changed(vocabulary=["<pad>", "<start>", "<end>", "<unk>", "a", "a"]),
        "a vocabulary of numbers": changed(vocabulary=["<pad>", "<start>", "<end>", "<unk>", 1, 2]),
        "a vocabulary of another length": changed(vocabulary=["<pad>", "<start>", "<end>", "<unk>", "dog"]),
        "no preprocessing": changed(preprocessing=...),
        "a preprocessing of 0 pixels": changed(preprocessing={"size": 0, "mean": [0, 0, 0], "std": [1, 1, 1]}),
        "a preprocessing with one mean": changed(preprocessing={"size": 48, "mean": [0], "std": [1, 1, 1]}),
        "a preprocessing of words": changed(preprocessing={"size": 48, "mean": ["a"] * 3, "std": [1, 1, 1]}),
        "a preprocessing that divides by 0": changed(preprocessing={"size": 48, "mean": [0, 0, 0], "std": [0, 1, 1]}),
        "no model in the configuration": at("model", ...),
        "no encoder in the configuration": at("encoder", ...),
        "no data in the configuration": at("data", ...),
        "no decoding in the configuration": at("decoding", ...),
        "a text in place of the model's configuration": at("model", "_target_: os.mkdir\npath: sprung"),
        "a tensor in the configuration": at("model.hidden_dim", torch.zeros(2)),
        "a setting of another version": at("model.heads_of_2031", 8),
        "a setting of another version, of the encoder": at("encoder.heads_of_2031", 8),
        "a setting of another version, of the decoding": at("decoding.heads_of_2031", 8),
        "a setting that is lacking": at("model.hidden_dim", ...),
        "a size in words": at("model.hidden_dim", "large"),
        "a negative size": at("model.hidden_dim", -5),
        "a size that no machine has memory for": at("model.hidden_dim", 10**9),
        "another size than that of the weights": at("model.hidden_dim", 17),
        "an encoder in place of the model": at("model._target_", "whysaid.models.encoders.vgg16.VGG16"),
        "a model in place of the encoder": at("encoder._target_", "whysaid.models.gridtd.GridTD"),
        "a function in place of the encoder": at("encoder._target_", "whysaid.models.encoders.cache.cache_features"),
        "a class that the encoders' module imports": at(
            "encoder._target_", "whysaid.models.encoders.cache.FeatureWriter"
        ),
        "a detector, which would be downloaded": at("model._target_", "whysaid.models.detector.MaskRCNN"),
        "a program for a model": at("model._target_", "os.mkdir"),
        "a program for a filter of decodings": at("decoding.filters", [{"_target_": "os.mkdir", "path": "sprung"}]),
        "code that torch imports": at("model._target_", "whysaid.models.gridtd.torch.load"),
        "a module for a constant": at(
            "data.object_words", {"_target_": "hydra.utils.get_object", "path": "whysaid.data.scenes.objects.random"}
        ),
        "an interpolation that calls a program": at(
            "encoder.widths", "${oc.create:{_target_: os.mkdir, path: sprung}}"
        ),
        "an interpolation that reads the environment": at("data.name", "${oc.env:HOME}"),
        "an interpolation in a key": at("model.${version:}", 1),
        "code beside the weights": lambda path: changed(extra=Trap(path.parent / "sprung"))(path),
        "code in the configuration": lambda path: at("seed", Trap(path.parent / "sprung"))(path),
    },
)

UNFIT = Kind(
    "Checkpoints that no run can go on from",
    "The run goes on from its best checkpoint, and its log says why.",
    {
        "no state of the optimiser": changed(optimizer_states=...),
        "an empty state of the optimiser": changed(optimizer_states=[]),
        "a state of the optimiser that is none": changed(optimizer_states=[{"weights": 1}]),
        "no states of callbacks": changed(callbacks=...),
        "a list of callbacks": changed(callbacks=[1]),
        "no step": changed(global_step=...),
        "a step in words": changed(global_step="many"),
        "no epoch": changed(epoch=...),
        "no place in the data": changed(CaptionData=...),
        "no loops": changed(loops=...),
        "no schedules": changed(lr_schedulers=...),
    },
)


@pytest.fixture
def checkpoint(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that may be damaged, in the folder that a test works in."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(finished / "checkpoints" / "best.ckpt", tmp_path / "copy.ckpt"))


@DAMAGED.rows()
def test_a_damaged_checkpoint(fault: Callable[[Path], None], checkpoint: Path) -> None:
    fault(checkpoint)
    with pytest.raises(UserError, match=r"copy\.ckpt") as raised:
        build_subject(str(checkpoint))
    assert "weights_only" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_folder_in_place_of_a_checkpoint(checkpoint: Path) -> None:
    folder_in_place(checkpoint)
    with pytest.raises(UserError, match=r"copy\.ckpt is a directory without checkpoints/best\.ckpt"):
        build_subject(str(checkpoint))


@FOREIGN.rows()
def test_a_checkpoint_with_other_contents(fault: Callable[[Path], None], checkpoint: Path) -> None:
    fault(checkpoint)
    with pytest.raises((UserError, MemoryError, RuntimeError), match=r"copy\.ckpt|memory") as raised:
        build_subject(str(checkpoint))
    assert "\n" not in str(raised.value) or not isinstance(raised.value, UserError)
    assert "weights_only" not in str(raised.value)  # torch's advice to switch the check off
    assert not (checkpoint.parent / "sprung").exists()


@pytest.mark.parametrize("key", ["model", "encoder", "decoding"])
def test_a_setting_of_another_version_is_named(key: str, checkpoint: Path) -> None:
    at(f"{key}.heads_of_2031", 8)(checkpoint)
    at("version", "9.1")(checkpoint)
    with pytest.raises(UserError, match=rf"was written by version 9\.1 .* knows no {key}\.heads_of_2031"):
        build_subject(str(checkpoint))


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A run directory with a best and a last checkpoint."""
    shutil.copytree(finished / "checkpoints", tmp_path / "run" / "checkpoints")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "fault", [*DAMAGED.faults.values(), *UNFIT.faults.values()], ids=[*DAMAGED.faults, *UNFIT.faults]
)
def test_a_run_goes_on_from_its_best_checkpoint(
    fault: Callable[[Path], None], run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert newest(run).name == "last.ckpt"
    fault(run / "checkpoints" / "last.ckpt")
    assert newest(run).name == "best.ckpt" and "the run goes on from best.ckpt" in caplog.text


def test_no_checkpoint_to_go_on_from(run: Path) -> None:
    for path in (run / "checkpoints").iterdir():
        zeroed(path)
    with pytest.raises(UserError, match=r"last\.ckpt is not a whole checkpoint .*damaged"):
        newest(run)
    folder_in_place(run / "checkpoints" / "last.ckpt")
    with pytest.raises(UserError, match=r"last\.ckpt is a folder"):
        newest(run)


def test_who_trusts_the_author_may_run_code(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(extra=Trap(checkpoint.parent / "sprung"))(checkpoint)
    with pytest.raises(UserError, match=f"it holds code.*{TRUST}=1"):
        build_subject(str(checkpoint))
    monkeypatch.setenv(TRUST, "1")
    build_subject(str(checkpoint))
    assert (checkpoint.parent / "sprung").is_dir()


def test_without_a_fault_it_loads(checkpoint: Path) -> None:
    assert len(build_subject(str(checkpoint)).writer.vocabulary) > 4
