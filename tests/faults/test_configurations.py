"""`config.yaml` of a run directory that no run wrote, or that names what is not to be called."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.faults.table import Kind
from tests.running import run_door
from whysaid.errors import UserError
from whysaid.run.config_file import END, load_config
from whysaid.run.trusted import require_trusted

BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))])


def text(content: str | bytes) -> Callable[[Path], None]:
    """A file that holds something else."""
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())  # type: ignore[return-value]


def with_value(key: str, value: Any) -> Callable[[Path], None]:
    """The same configuration with another value; `...` takes the key out."""

    def change(path: Path) -> None:
        config = OmegaConf.load(path)
        if value is ...:
            *before, last = key.split(".")
            del (OmegaConf.select(config, ".".join(before)) if before else config)[last]
        else:
            OmegaConf.update(config, key, value, force_add=True)
        path.write_text(f"{OmegaConf.to_yaml(config)}{END}\n", encoding="utf-8")

    return change


def cut(path: Path) -> None:
    """What is left is a configuration too."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) * 3 // 4]), encoding="utf-8")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BROKEN = Kind(
    "A run's config.yaml",
    "One line names the file and says what is wrong with it; the file and all else in the run directory stay as they "
    "are.",
    {
        "an empty file": text(""),
        "bytes that are no text": text(b"\x00\xff\xfe"),
        "text in another encoding": text("a: ü".encode("utf-16")),
        "text that is no YAML": text("a: [1\n..."),
        "a list": text("- 1\n..."),
        "a number": text("7\n..."),
        "a mapping of something else": text("seed: 1\n..."),
        "paths that are a list": text("paths: [outputs]\n..."),
        "the run directory is a mapping": text("paths: {run_dir: {a: 1}}\n..."),
        "a key that is there twice": text("paths: {run_dir: x}\npaths: {run_dir: y}\n..."),
        "a tag of Python": text("paths: {run_dir: !!python/name:os.system }\n..."),
        "a tag that calls Python": text("paths: {run_dir: !!python/object/apply:os.mkdir [sprung]}\n..."),
        "aliases that grow without bounds": text(BOMB),
        "two megabytes": text("a: " + "x" * 2_000_000),
        "a list in a list, 10,000 times": text("[" * 10_000),
        "a file that was cut": cut,
        "a folder in its place": folder,
        "no model": with_value("model", ...),
        "no seed": with_value("seed", ...),
        "no trainer": with_value("trainer", ...),
        "an interpolation that calls a program": with_value(
            "encoder.widths", "${oc.create:{_target_: os.mkdir, path: sprung}}"
        ),
        "an interpolation that reads the environment": with_value("data.name", "${oc.env:HOME}"),
    },
)


def node(target: str, **settings: Any) -> dict[str, Any]:
    return {"_target_": target, **settings}


NAMES = Kind(
    "Names of code in stored configurations",
    "The file is refused, with the name and the key at which it stands; nothing is called.",
    {
        "a program in place of the model": {"model": node("os.system", command="true")},
        "an encoder in place of the model's objective": {"objective": node("whysaid.models.encoders.vgg16.VGG16")},
        "a model in place of the encoder": {"encoder": node("whysaid.models.gridtd.GridTD")},
        "a callback in place of a logger": {"logger": {"a": node("whysaid.callbacks.pruning.Pruning")}},
        "a logger in place of a callback": {"callbacks": {"a": node("pytorch_lightning.loggers.CSVLogger")}},
        "a reader of files in place of the data": {"data": node("whysaid.data.captions.coco.Coco2017", root="x")},
        "data in place of their reader": {"data": {"source": node("whysaid.data.captions.datamodule.CaptionData")}},
        "a download in place of the data": {"data": node("whysaid.data.files.download.download", url="x")},
        "a metric in place of a reader": {"data": {"source": [node("whysaid.metrics.spice.fetch_corenlp")]}},
        "a module that a module imports": {"data": {"object_words": node("whysaid.data.object_words.yaml.load")}},
        "a class that a module imports": {"encoder": node("whysaid.models.encoders.cache.FeatureWriter", folder="x")},
        "torch.load by way of an optimiser's module": {"optimizer": node("torch.optim.adam.torch.load", f="x")},
        "torch.hub in place of the optimiser": {"optimizer": node("torch.hub.load", repo_or_dir="x")},
        "torch.load for a filter": {"decoding": {"filters": [node("torch.load", f="x")]}},
        "torch.hub for a plugin of the trainer": {
            "trainer": node("pytorch_lightning.Trainer", plugins=[node("torch.hub.load")])
        },
        "a function with arguments": {"decoding": node("whysaid.decoding.generate.generate", path="x")},
        "a class of Lightning that belongs elsewhere": {"trainer": node("pytorch_lightning.LightningModule")},
        "code at a key that no run has": {"studies": node("whysaid.models.gridtd.GridTD")},
        "code at the top": node("whysaid.models.gridtd.GridTD"),
        "a module as a constant": {
            "data": {"object_words": node("hydra.utils.get_object", path="whysaid.data.scenes.objects.random")}
        },
        "the environment as a constant": {
            "data": {"object_words": node("hydra.utils.get_object", path="whysaid.data.files.download.os.environ")}
        },
        "a constant of another package": {
            "data": {"object_words": node("hydra.utils.get_object", path="antigravity.geohash")}
        },
        "a constant without a name": {"data": {"object_words": node("hydra.utils.get_object")}},
        "a name that is a list": {"model": {"_target_": ["os", "system"]}},
        "a name that is there no more": {"model": node("whysaid.models.nowhere.Class")},
    },
)


@pytest.fixture
def stored(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a run's configuration."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(finished / "config.yaml", tmp_path / "config.yaml"))


@BROKEN.rows()
def test_a_configuration_that_no_run_wrote(fault: Callable[[Path], None], stored: Path) -> None:
    fault(stored)
    with pytest.raises(UserError, match=re.escape(str(stored))) as raised:
        load_config(stored)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600
    assert not (stored.parent / "sprung").exists()


@NAMES.rows()
def test_a_name_that_does_not_belong_where_it_stands(fault: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="not part of this project or does not belong at"):
        require_trusted(fault, Path("any.ckpt"))


def test_without_a_fault_it_loads(stored: Path) -> None:
    assert load_config(stored).task_name == "train"


def test_another_version_is_told(stored: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_value("version", "9.1")(stored)
    load_config(stored)
    assert "is of version 9.1 of whysaid; the run goes on with" in caplog.text


def test_a_run_directory_stays_as_it_is(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    cut(run / "config.yaml")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.suffix != ".log"}
    assert "config.yaml is cut off: its last line is not `...`" in run_door("train", f"resume={run}").error
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.suffix != ".log"}
    assert after == before
