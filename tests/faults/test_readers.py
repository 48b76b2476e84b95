"""Every way by which a checkpoint is read refuses what its author must not choose."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from tests.faults.table import Kind
from whysaid.assemble import captioning, inpainting, vqa
from whysaid.checkpoint import stored_config
from whysaid.errors import UserError
from whysaid.run.resumable import newest

RESOLVED = "${oc.create:{_target_: os.mkdir, path: sprung}}"
CALL = {"_target_": "os.mkdir", "path": "sprung"}

ACTING = Kind(
    "Checkpoints that name what is to be called, by every way of reading them",
    "One line names the file; nothing is called, and no module is imported, whether a captioner, a VQA model or a "
    "generator is evaluated, explained with or started from.",
    {
        "a program in place of the model": {"model": CALL},
        "a program in place of the data": {"data": CALL},
        "a program in place of the reader of the data": {"data": {"source": CALL}},
        "a program in place of the generator": {"model": {"generator": CALL}},
        "a module of the current folder in place of the data": {"data": {"_target_": "sprung_module.Data"}},
        "a module of the current folder in place of the decoding": {"decoding": {"_target_": "sprung_module.Data"}},
        "a module of the current folder in place of the assembly": {"assemble": "sprung_module"},
        "an interpolation in the data": {"data": {"name": RESOLVED}},
        "an interpolation in the encoder": {"encoder": {"widths": RESOLVED}},
        "an interpolation that no group holds": {"notes": [RESOLVED]},
        "the environment in the name of the data": {"data": {"name": "${oc.env:HOME}"}},
    },
)

EVALUATION: dict[str, Any] = {"ckpt": "a.ckpt", "split": "test", "data": {"root": None}, "decoding": {"width": 3}}

READ: dict[str, Callable[[str], object]] = {
    "a captioner": captioning.load_captioners,
    "a captioner's subject": captioning.build_subject,
    "a captioner's evaluation": lambda path: captioning.build_evaluation(OmegaConf.create(EVALUATION)),
    "a VQA model": vqa.load_answering,
    "a VQA model's evaluation": lambda path: vqa.build_evaluation(OmegaConf.create(EVALUATION)),
    "a generator": inpainting.load_generator,
    "a generator's evaluation": lambda path: inpainting.build_evaluation(OmegaConf.create(EVALUATION)),
}


@ACTING.rows()
@pytest.mark.parametrize("read", list(READ.values()), ids=list(READ))
def test_a_reader_calls_nothing(
    fault: dict[str, Any], read: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "sprung_module.py").write_text("import os\nos.mkdir('sprung')\nclass Data: pass\n")
    groups: dict[str, Any] = {name: {} for name in ("data", "encoder", "model", "decoding")}
    weights = {f"{module}.a": torch.zeros(1) for module in ("captioner", "model", "average.module")}
    content = {
        "config": {"assemble": "whysaid.assemble.captioning", **groups, **fault},
        "state_dict": weights,
        "vocabulary": ["<pad>", "<start>", "<end>", "<unk>", "dog"],
        "preprocessing": {"size": 48, "mean": [0.0] * 3, "std": [1.0] * 3},
        "answers": ["yes"],
    }
    torch.save(content, "a.ckpt")
    with pytest.raises(UserError, match=r"a\.ckpt"):
        read("a.ckpt")
    assert not (tmp_path / "sprung").exists()


def test_an_interpolation_is_refused_by_whoever_reads_the_configuration_alone(tmp_path: Path) -> None:
    torch.save({"config": {"name": RESOLVED}, "state_dict": {}}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="holds an interpolation"):
        stored_config(tmp_path / "a.ckpt")


def test_a_run_without_any_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no checkpoints/last\.ckpt"):
        newest(tmp_path)
