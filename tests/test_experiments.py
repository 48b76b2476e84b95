"""Every experiment takes one batch of each split through everything."""

import json
from pathlib import Path

import numpy as np
import pytest

import whysaid.doors.prepare
from tests.running import QUICK, SMALL_BLIP, WORLD, composed, run_door
from whysaid.run.conf import CONF

pytestmark = pytest.mark.usefixtures("plain_tokens")

CAPTIONERS = ("soft", "adaptive", "gridtd", "aoa", "transformer", "blip")
ALL = sorted(path.stem for path in (Path(CONF) / "experiment").glob("*.yaml"))
EXPERIMENTS = [name for name in ALL if name.startswith(CAPTIONERS) and name != "blip_coco"]
"""Those of captioners; tests/doors/test_train_*.py have the others, and test_tuning.py beside them has blip_coco."""

REGIONS, DIM = 5, 8


@pytest.fixture(scope="module")
def coco(data_dir: Path) -> list[str]:
    """The world's training and validation pictures, read as COCO 2017."""
    return [f"data.root={data_dir}/scenes", "data.source.train=null", "data.source.val=8"]


@pytest.fixture(scope="module")
def flickr(data_dir: Path) -> None:
    """The same pictures as Flickr8k and Flickr30k in the Karpathy split."""
    captions = json.loads((data_dir / "scenes/annotations/captions_train2017.json").read_text())
    entries = [
        {
            "imgid": i,
            "filename": image["file_name"],
            "split": {0: "val", 1: "test"}.get(i % 6, "train"),
            "sentences": [{"raw": a["caption"]} for a in captions["annotations"] if a["image_id"] == image["id"]],
        }
        for i, image in enumerate(captions["images"])
    ]
    for name, photos in (("flickr8k", "Flicker8k_Dataset"), ("flickr30k", "flickr30k-images")):
        (data_dir / name).mkdir()
        (data_dir / name / f"dataset_{name}.json").write_text(json.dumps({"images": entries}))
        (data_dir / name / photos).symlink_to(data_dir / "scenes/train2017")


@pytest.fixture(scope="module")
def regions(data_dir: Path, coco: list[str]) -> None:
    """Bottom-up features of these pictures, prepared from a folder of array files."""
    folder = data_dir / "bottom_up"
    folder.mkdir()
    for path in (data_dir / "scenes").glob("*2017/*.png"):
        features = np.random.default_rng(int(path.stem)).random((REGIONS, DIM), np.float32)
        np.savez(folder / f"{path.stem}.npz", features=features)
    settings = ["data=coco", *coco, "data.min_count=1", "encoder=regions", f"encoder.dim={DIM}"]
    whysaid.doors.prepare.prepare(
        composed("prepare", data_dir, *settings, f"paths.data_dir={data_dir}", f"regions_file={folder}")
    )


def small(experiment: str, request: pytest.FixtureRequest) -> list[str]:
    """What makes an experiment small, and fits it to the data of these tests."""
    if experiment == "blip_scenes":
        return list(SMALL_BLIP)
    return [*QUICK, *fitted(experiment, request)]


def fitted(experiment: str, request: pytest.FixtureRequest) -> list[str]:
    """What fits an experiment to the data of these tests."""
    if experiment.endswith("_scenes"):
        return list(WORLD)
    if experiment.endswith("_regions_coco"):
        request.getfixturevalue("regions")
        return [*request.getfixturevalue("coco"), f"encoder.dim={DIM}"]
    data = request.getfixturevalue("coco" if experiment.endswith("_coco") else "flickr") or []
    return [*data, "encoder.weights=null", "encoder.image_size=32", "data.follow_links=true"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs(
    experiment: str, places: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    figures = ["callbacks.attention.images=1", "callbacks.captions.images=1"]
    settings = [*figures, *places, *small(experiment, request), "trainer.precision=32-true"]
    ran = run_door("train", f"experiment={experiment}", "debug=fast_dev_run", *settings)
    metrics = json.loads((ran.folder / "metrics.json").read_text())
    assert {"val/CIDEr", "test/CIDEr"} <= metrics.keys() and any(name.startswith("train/") for name in metrics)


@pytest.mark.parametrize(
    "choices",
    [
        ["objective=xe"],
        ["objective=xe_doubly_stochastic"],
        ["scheduler=plateau", "optimizer=adam", "trainer.precision=bf16-mixed"],
        ["objective=xe", "task.tune_encoder=false"],
        ["scheduler=cosine", "model=aoa", "decoding=beam"],
    ],
    ids=" ".join,
)
def test_every_group_may_be_chosen_anew(choices: list[str], places: list[str]) -> None:
    settings = [*QUICK, *WORLD, *places, "callbacks.attention=null", "callbacks.captions=null"]
    assert run_door("train", "experiment=soft_scenes", "debug=fast_dev_run", *settings, *choices).code == 0
