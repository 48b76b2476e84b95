import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.running import SIZE
from whysaid.data.captions.coco import Coco2017
from whysaid.data.images import Photo
from whysaid.data.instances import Instance, Instances, annotated_objects, read_instances
from whysaid.data.scenes.render import masks
from whysaid.data.scenes.scene import locate
from whysaid.data.scenes.world import scene
from whysaid.errors import UserError


def test_a_box_scales_with_the_picture():
    box = Instance(1, "cat", (10, 0, 20, 50), (100, 200)).boxed(50)  # 200 × 100 pixels become 50 × 50
    rows, columns = np.nonzero(box)
    assert set(rows) == set(range(25)) and set(columns) == set(range(2, 8))  # 2.5 … 7.5: centres 2.5 … 7.5


@pytest.mark.parametrize("box", [(0.2, 0.2, 0.1, 0.1), (99.9, 99.9, 5, 5), (50, 50, 0, 0)])
def test_a_box_is_never_empty_nor_outside(box):
    assert Instance(1, "cat", box, (100, 100)).boxed(10).sum() == 1


def test_a_mask_from_polygons_and_from_run_lengths():
    square = [[2, 2, 6, 2, 6, 6, 2, 6]]
    drawn = Instance(1, "cat", (2, 2, 4, 4), (8, 8), square).mask(8)
    runs = {"size": [8, 8], "counts": [18, 4, 4, 4, 4, 4, 4, 4, 18]}  # columns, from the top
    np.testing.assert_array_equal(Instance(1, "cat", (2, 2, 4, 4), (8, 8), runs).mask(8), drawn)
    assert drawn.sum() == 16 and drawn[2:6, 2:6].all()
    assert Instance(1, "cat", (2, 2, 4, 4), (8, 8), square).mask(4).sum() == 4
    boxed = Instance(1, "cat", (2, 2, 4, 4), (8, 8))
    np.testing.assert_array_equal(boxed.mask(8), boxed.boxed(8))


def test_scenes_are_exact(data_dir):
    folder = data_dir / "scenes" / "test2017"
    records = json.loads((data_dir / "scenes" / "annotations" / "instances_test2017.json").read_text())
    ids = [image["id"] for image in records["images"]]
    found = read_instances(Photo(i, folder / f"{i:012d}.png") for i in ids)
    assert set(found.covered) == set(ids)
    for image_id in ids:
        drawn = scene(0, *locate(image_id), SIZE)
        for index, (thing, mask) in enumerate(zip(drawn.objects, masks(drawn), strict=True)):
            (instance,) = found.of(image_id, thing.name)  # no class comes twice
            assert instance.id == 10 * image_id + index
            np.testing.assert_array_equal(instance.mask(SIZE), mask)
            rows, columns = np.nonzero(mask)
            box = np.zeros_like(mask)
            box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
            np.testing.assert_array_equal(instance.boxed(SIZE), box)


def annotated(root, name, images, annotations, categories):
    (root / "annotations").mkdir(exist_ok=True)
    content = {
        "images": [{"id": i, "width": 10, "height": 10} for i in images],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "bbox": [n, 0, 1, 1]} for n, (i, c) in enumerate(annotations)
        ],
        "categories": [{"id": c, "name": category} for c, category in enumerate(categories)],
    }
    (root / "annotations" / name).write_text(json.dumps(content))


def test_person_boxes_fill_in_for_images_without_instances(tmp_path):
    annotated(tmp_path, "instances_val2017.json", [1], [(1, 0), (1, 1)], ["person", "dog"])
    annotated(tmp_path, "person_boxes_val2017.json", [1, 2], [(1, 0), (2, 0), (2, 0)], ["person"])
    found = read_instances(Photo(i, tmp_path / "val2017" / f"{i}.jpg") for i in (1, 2, 3))
    assert found.covered == {1: {"person", "dog"}, 2: {"person"}}
    assert len(found.of(1, "person")) == 1 and len(found.of(2, "person")) == 2 and not found.of(3, "person")


def test_no_annotations_at_all(tmp_path):
    assert not read_instances([Photo(1, tmp_path / "val2017" / "1.jpg")]).covered


def test_a_broken_file(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text("{")
    with pytest.raises(UserError, match=r"instances_val2017\.json is not a JSON file"):
        read_instances([Photo(1, tmp_path / "val2017" / "1.jpg")])


@pytest.mark.photos
def test_photos_with_all_categories_and_photos_with_people_alone():
    root = Path(__file__).parents[3] / "shared/data/coco_small"
    if not root.is_dir():
        pytest.skip("../shared/data/coco_small is not there")
    images = Coco2017(str(root), train=None, val=200).read("test")
    found = read_instances(images)
    covered = [len(found.covered.get(image.id, ())) for image in images]
    assert covered.count(80) == 200 and covered.count(1) == 200
    for image in images[:40]:
        with Image.open(image.path) as photo:
            sizes = {instance.size for instance in found.objects[image.id]}
            assert sizes <= {photo.size[::-1]}
    masked = [instance for image in images[:40] for instance in found.objects[image.id] if instance.segmentation]
    shares = [instance.mask(224)[instance.boxed(224)].sum() / max(instance.mask(224).sum(), 1) for instance in masked]
    assert len(masked) > 50 and np.mean(shares) > 0.97  # a mask lies in its box, but for a pixel at the edge


def test_the_objects_of_a_file_in_a_data_set(data_dir, tmp_path):
    folder = data_dir / "scenes" / "test2017"
    photo = sorted(folder.glob("*.png"))[3]
    found = annotated_objects(photo)
    drawn = masks(scene(0, *locate(int(photo.stem)), SIZE))
    np.testing.assert_array_equal([one.mask(SIZE) for one in found], drawn)
    assert annotated_objects(folder / "own.png") is None and annotated_objects(tmp_path / "own.png") is None


def test_a_mask_of_a_wide_picture():
    one = Instance(1, "cat", (2, 2, 4, 4), (8, 8), [[2, 2, 6, 2, 6, 6, 2, 6]])
    wide = np.zeros((8, 16), bool)
    wide[2:6, 4:12] = True
    np.testing.assert_array_equal(one.mask(8, 16), wide)
    np.testing.assert_array_equal(one.boxed(8, 16), wide)


def test_a_crowd_is_known():
    entry = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}
    content = {
        "images": [{"id": 1, "height": 4, "width": 4}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{**entry, "id": 1}, {**entry, "id": 2, "iscrowd": 1}],
    }
    found = Instances()
    found.add(content)
    assert [one.crowd for one in found.of(1, "cat")] == [False, True]
