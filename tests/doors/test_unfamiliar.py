"""A model says of a photo that it is far from what it was trained on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import whysaid
from tests.running import Ran, run_door


def explained(places: list[str], ckpt: Path, folder: Path) -> tuple[Ran, dict[str, Any]]:
    ran = run_door("explain", *places, f"ckpt={ckpt}", f"image={folder}", "~attribution", "decoding=greedy")
    content = json.loads((ran.folder / "explanations.json").read_text(encoding="utf-8"))
    return ran, {Path(record["image"]).stem: record for record in content["explanations"]}


def test_json_report_and_console_say_so_with_the_number(
    finished: Path, data_dir: Path, places: list[str], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    known = sorted((data_dir / "scenes" / "train2017").glob("*.png"))[0]
    Image.open(known).save(tmp_path / "photos" / "known.png")
    noise = np.random.default_rng(0).integers(0, 2, (48, 48, 3)).astype(np.uint8) * 255
    Image.fromarray(noise).save(tmp_path / "photos" / "noise.png")
    ran, records = explained(places, finished / "checkpoints" / "best.ckpt", tmp_path / "photos")
    near, far = records["known"]["familiarity"], records["noise"]["familiarity"]
    assert near["quantile"] < 1 and not near["far"] and records["known"]["remark"] == ""
    assert far["far"] and far["quantile"] == 1 and far["distance"] > near["distance"]
    remark = records["noise"]["remark"]
    assert remark.startswith("far from what it was trained on: farther than all its training photos")
    assert remark in (ran.folder / "report.html").read_text(encoding="utf-8") and remark in ran.out
    about = whysaid.load(finished / "checkpoints" / "best.ckpt").explain(noise, method="attention").about
    assert about["familiarity"] == far


def test_a_checkpoint_without_training_photos_says_nothing(
    finished: Path, data_dir: Path, places: list[str], tmp_path: Path
) -> None:
    content = torch.load(finished / "checkpoints" / "best.ckpt", weights_only=True)
    assert content.pop("familiar").shape[0] == 48  # all of the training split
    torch.save(content, tmp_path / "older.ckpt")
    photo = sorted((data_dir / "scenes" / "train2017").glob("*.png"))[0]
    _, records = explained(places, tmp_path / "older.ckpt", photo)
    assert "familiarity" not in records[photo.stem] and records[photo.stem]["remark"] == ""
