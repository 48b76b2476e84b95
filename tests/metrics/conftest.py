import json
import shutil
from pathlib import Path

import pytest

from whysaid.metrics.score import warn_once

COCO = Path(__file__).parents[3] / "shared" / "data" / "coco_small" / "annotations"


@pytest.fixture(autouse=True)
def fresh_warnings():
    warn_once.cache_clear()


@pytest.fixture
def java():
    if shutil.which("java") is None:
        pytest.skip("there is no Java here")


@pytest.fixture
def no_java(monkeypatch):
    monkeypatch.setenv("PATH", "")


@pytest.fixture(scope="session")
def coco_captions() -> dict[int, list[str]]:
    """Five captions of each of 400 images, as written."""
    path = COCO / "captions_val2017.json"
    if not path.exists():
        pytest.skip("../shared/data/coco_small is not there")
    captions: dict[int, list[str]] = {}
    for annotation in json.loads(path.read_text())["annotations"]:
        captions.setdefault(annotation["image_id"], []).append(annotation["caption"])
    return captions
