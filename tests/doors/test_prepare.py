import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from rich.console import Console

import whysaid.doors.prepare
from whysaid.assemble.captioning import build_task
from whysaid.data.instances import Instance
from whysaid.errors import UserError
from whysaid.run.conf import CONF

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "coco_small"


def composed(door: str, folder: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(door, [f"paths.data_dir={folder}", f"paths.output_dir={folder}/outputs", *overrides])


def prepare(folder: Path, *overrides: str) -> str:
    """The printed table."""
    table = whysaid.doors.prepare.prepare(composed("prepare", folder, *overrides))
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def tiny_coco(root: Path) -> None:
    """Six training and two test photos in COCO's layout; 'zebra' occurs in the test captions alone."""
    (root / "annotations").mkdir(parents=True)
    for folder, ids, caption in (("train2017", range(1, 7), "a dog runs"), ("val2017", (7, 8), "a dog zebra")):
        (root / folder).mkdir()
        for image_id in ids:
            (root / folder / f"{image_id}.jpg").touch()
        images = [{"id": image_id, "file_name": f"{image_id}.jpg"} for image_id in ids]
        captions = [{"image_id": image_id, "caption": caption} for image_id in ids]
        file = root / "annotations" / f"captions_{folder}.json"
        file.write_text(json.dumps({"images": images, "annotations": captions}))
        (root / "annotations" / f"instances_{folder}.json").write_text("{}")


COCO = ("data=coco", "data.source.train=null", "data.source.val=2", "data.min_count=1")
SCENES = ("data=scenes", "data.source.size=48", "data.source.counts={train: 24, val: 4, test: 4}", "data.min_count=1")


def test_scenes_are_drawn_described_and_written_down(tmp_path):
    table = prepare(tmp_path, *SCENES)
    assert prepare(tmp_path, *SCENES) == table
    rows = {cells[0]: cells[1:] for line in table.splitlines() if (cells := line.replace("│", " ").split())}
    assert rows["train"][:2] == ["24", "120"] and rows["train"][3] == "100.00%" and rows["test"][0] == "4"
    cache = tmp_path / "cache" / "scenes"
    (written,) = cache.glob("splits-*.json")
    splits = json.loads(written.read_text())
    assert splits.pop("root") == str(tmp_path / "scenes")
    assert {split: len(ids) for split, ids in splits.items()} == {"train": 24, "val": 4, "test": 4}
    assert len({i for ids in splits.values() for i in ids}) == 32
    assert len(list(cache.glob("corpus-*/vocabulary.json"))) == 1
    assert len(list(cache.glob("corpus-*/document_frequencies.npz"))) == 1
    assert not list(cache.glob("features-*"))


def test_coverage_counts_the_words_that_training_knows(tmp_path):
    tiny_coco(tmp_path / "coco")
    table = prepare(tmp_path, *COCO)
    rows = {cells[0]: cells[1:] for line in table.splitlines() if (cells := line.replace("│", " ").split())}
    assert rows["train"] == ["4", "4", "12", "100.00%"] and rows["val"][0] == "2"
    assert rows["test"] == ["2", "2", "6", "66.67%"]
    assert "vocabulary of 7" in table


def test_training_opens_the_prepared_features(tmp_path):
    settings = (*SCENES, "data.num_workers=0", "encoder=scenes_cnn", "encoder.widths=[4, 6]", "encoder.image_size=48")
    prepare(tmp_path, *settings, "features=true")
    (index,) = (tmp_path / "cache" / "scenes").glob("features-scenescnn-*/index.json")
    shards = {path: path.stat().st_mtime_ns for path in index.parent.glob("*.f16")}
    train = composed("train", tmp_path, *settings, "task.tune_encoder=false", "model.hidden_dim=8")
    pl.seed_everything(train.seed, workers=True, verbose=False)
    _, data = build_task(train, {})
    assert data.features is not None and data.features.store.folder == index.parent
    assert len(data.features.store) == 32 and data.features.store.shape[1] == 6
    assert {path: path.stat().st_mtime_ns for path in index.parent.glob("*.f16")} == shards


def test_bottom_up_regions_reach_the_batches_of_training(tmp_path):
    tiny_coco(tmp_path / "coco")
    overrides = (*COCO, "encoder=regions", "encoder.dim=4")
    lines = []
    for image_id in range(1, 9):
        features = np.full((image_id, 4), image_id, np.float32)
        lines.append(f"{image_id}\t9\t9\t{image_id}\t\t{base64.b64encode(features.tobytes()).decode()}\n")
    train = composed(
        "train", tmp_path, "experiment=gridtd_regions_coco", *COCO[1:], "encoder.dim=4", "data.eval_batch_size=2"
    )
    with pytest.raises(UserError, match=r"regions_file=PATH"):
        build_task(train, {})
    (tmp_path / "part.tsv").write_text("".join(lines[:5]))
    with pytest.raises(UserError, match="lacks the regions of 3 of 8 images, the first is image 6"):
        prepare(tmp_path, *overrides, f"regions_file={tmp_path}/part.tsv")
    (tmp_path / "all.tsv").write_text("".join(lines))
    prepare(tmp_path, *overrides, f"regions_file={tmp_path}/all.tsv")
    _, data = build_task(train, {})
    (batch,) = data.loader("test")
    assert batch.image_ids.tolist() == [7, 8] and batch.regions.shape == (2, 36, 4)
    assert batch.mask.sum(1).tolist() == [7, 8]
    assert batch.regions[1, :8].unique().tolist() == [8.0] and not batch.regions[1, 8:].any()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), "name a data set"),
        (("preset=coco_small",), "name a data set"),
        ((*SCENES, "features=true"), "features need an encoder"),
        ((*SCENES, "encoder=scenes_cnn", "regions_file=a.tsv"), "goes with encoder=regions"),
    ],
)
def test_what_cannot_be_prepared(tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        prepare(tmp_path, *overrides)


def test_metrics_alone(tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr("whysaid.metrics.spice.fetch_corenlp", lambda folder: fetched.append(folder))
    assert whysaid.doors.prepare.prepare(composed("prepare", tmp_path, "metrics=spice")) is None
    assert fetched == [None]


def door(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "src.prepare",
        f"paths.data_dir={folder}",
        f"paths.output_dir={folder}/outputs",
    ]
    return subprocess.run([*command, *overrides], capture_output=True, text=True, cwd=Path(CONF).parent)


def test_missing_photos_end_in_one_line(tmp_path):
    (tmp_path / "flickr8k").mkdir()
    (tmp_path / "flickr8k" / "dataset_flickr8k.json").write_text("{}")
    ran = door(tmp_path, "data=flickr8k")
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert f"{tmp_path}/flickr8k/Flicker8k_Dataset is missing" in ran.stderr.splitlines()[-1]
    assert "https://forms.illinois.edu/sec/1713398" in ran.stderr.splitlines()[-1]


@pytest.mark.photos
@pytest.mark.skipif(not PHOTOS.exists(), reason="needs ../shared/data/coco_small")
def test_real_photos_are_prepared_where_they_lie(tmp_path):
    ran = door(tmp_path, "data=coco", f"data.root={PHOTOS}", "preset=coco_small")
    assert ran.returncode == 0, ran.stderr
    *_, header, _, train, val, test, _, about = ran.stdout.splitlines()
    assert "coverage" in header and "2,427" in train and "200" in val and "400" in test
    (vocabulary,) = (tmp_path / "cache" / "coco").glob("corpus-*/vocabulary.json")
    assert f"vocabulary of {len(json.loads(vocabulary.read_text())):,}: 4 marks and the words seen at least 5×" in about
    assert not (PHOTOS / ".lock").exists()


def test_objects_that_nobody_annotated_are_found_once(tmp_path, monkeypatch):
    """The detector looks at each training picture that has no annotation, and a second call finds its work done."""
    prepare(tmp_path, *SCENES)
    (tmp_path / "scenes/annotations/instances_train2017.json").unlink()
    looked: list[int] = []

    class Finds:
        categories = ("ball", "cat")

        def __call__(self, photo, device="cpu"):
            looked.append(photo.width)
            outline = [[8, 8, 20, 8, 20, 20, 8, 20]]
            return [Instance(1, "cat", (8, 8, 12, 12), (48, 48), outline)] if len(looked) % 2 else []

    monkeypatch.setattr("whysaid.models.detector.MaskRCNN", lambda **settings: Finds())
    for _ in range(2):
        prepare(tmp_path, *SCENES, "masks=true")
        assert looked == [48] * 24
    found = json.loads((tmp_path / "cache/scenes/detected_objects.json").read_text())
    assert len(found["images"]) == 24 and len(found["annotations"]) == 12
    assert [category["name"] for category in found["categories"]] == ["ball", "cat"]
