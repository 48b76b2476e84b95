import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from whysaid.data.scenes import world, write
from whysaid.data.scenes.objects import CLASSES
from whysaid.data.scenes.render import masks, render
from whysaid.data.scenes.scene import locate
from whysaid.errors import UserError

COUNTS = {"train": 24, "val": 8, "test": 8}


def digests(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write.build_scenes(folder, counts=COUNTS)
    return folder


def test_the_same_to_the_byte_from_one_process_or_two(root: Path, tmp_path: Path):
    write.build_scenes(tmp_path / "a", counts=COUNTS, workers=2)
    assert digests(tmp_path / "a") == digests(root)
    write.build_scenes(tmp_path / "b", seed=1, counts=COUNTS)
    assert digests(tmp_path / "b")["train2017/000000000001.png"] != digests(root)["train2017/000000000001.png"]


def test_layout(root: Path):
    for split, count in COUNTS.items():
        assert len(list((root / f"{split}2017").glob("*.png"))) == count
    assert json.loads((root / "scenes.json").read_text()) == {
        **{"version": write.VERSION, "seed": 0, "size": 80, "counts": COUNTS, "complete": True}
    }
    assert not list(root.rglob("*.partial"))


@pytest.mark.parametrize("split", COUNTS)
def test_pycocotools_reads_pictures_and_exact_masks(root: Path, split: str):
    coco = COCO(root / "annotations" / f"instances_{split}2017.json")
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(CLASSES)
    assert len(coco.imgs) == COUNTS[split]
    for image in coco.loadImgs(coco.getImgIds()):
        scene = world.scene(0, *locate(image["id"]))
        picture = np.asarray(Image.open(root / f"{split}2017" / image["file_name"]))
        assert np.array_equal(picture, render(scene))
        for thing, mask, entry in zip(scene.objects, masks(scene), coco.imgToAnns[image["id"]], strict=True):
            assert np.array_equal(coco.annToMask(entry), mask)
            assert coco.cats[entry["category_id"]]["name"] == thing.name
            rows, columns = np.nonzero(mask)
            assert entry["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert entry["area"] == mask.sum() and entry["iscrowd"] == 0


def test_captions_file(root: Path):
    coco = COCO(root / "annotations" / "captions_val2017.json")
    assert all(len(coco.imgToAnns[image]) == 5 for image in coco.getImgIds())
    assert len(coco.anns) == 5 * COUNTS["val"]


def test_ids_are_unique_over_the_splits(root: Path):
    for kind in ("captions", "instances"):
        files = [json.loads((root / "annotations" / f"{kind}_{split}2017.json").read_text()) for split in COUNTS]
        ids = [entry["id"] for file in files for entry in file["annotations"]]
        assert len(set(ids)) == len(ids)


def test_vqa_files(root: Path):
    asked = json.loads((root / "vqa" / "v2_OpenEnded_mscoco_train2017_questions.json").read_text())["questions"]
    answered = json.loads((root / "vqa" / "v2_mscoco_train2017_annotations.json").read_text())["annotations"]
    instances = COCO(root / "annotations" / "instances_train2017.json")
    assert [entry["question_id"] for entry in asked] == [entry["question_id"] for entry in answered]
    assert len({entry["question_id"] for entry in asked}) == len(asked) == 6 * COUNTS["train"]
    for question, entry in zip(asked, answered, strict=True):
        assert question["question"].startswith(entry["question_type"])
        assert [answer["answer"] for answer in entry["answers"]] == 10 * [entry["multiple_choice_answer"]]
        deciding = instances.loadAnns(entry["deciding_annotation_ids"])
        assert deciding and {thing["image_id"] for thing in deciding} == {entry["image_id"]}


def test_an_interrupted_build_goes_on(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn = []

    def interrupted(scene: world.Scene) -> np.ndarray:
        if len(drawn) == 10:
            raise KeyboardInterrupt
        drawn.append(scene.image_id)
        return render(scene)

    monkeypatch.setattr(write, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write.build_scenes(tmp_path, counts=COUNTS)
    assert not json.loads((tmp_path / "scenes.json").read_text())["complete"]
    resumed = []
    monkeypatch.setattr(write, "render", lambda scene: resumed.append(scene.image_id) or render(scene))
    write.build_scenes(tmp_path, counts=COUNTS)
    assert not set(drawn) & set(resumed)
    assert digests(tmp_path) == digests(root)


def test_a_whole_world_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(write, "_build_split", None)
    write.build_scenes(root, counts=COUNTS)


@pytest.mark.parametrize("other", [{"seed": 1}, {"size": 64}, {"counts": {**COUNTS, "val": 9}}])
def test_other_parameters_in_the_same_folder(root: Path, other: dict):
    with pytest.raises(UserError, match=f"another {next(iter(other))}"):
        write.build_scenes(root, **{"counts": COUNTS, **other})


def test_bad_requests(tmp_path: Path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UserError, match="other files"):
        write.build_scenes(tmp_path, counts=COUNTS)
    with pytest.raises(UserError, match="no split 'valid'"):
        write.build_scenes(tmp_path / "a", counts={"valid": 3})
    with pytest.raises(UserError, match="48 to 256"):
        write.build_scenes(tmp_path / "b", size=20, counts=COUNTS)
    assert not (tmp_path / "b").exists()
