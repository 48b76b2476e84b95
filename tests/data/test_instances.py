import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.running import SIZE
from whysaid.data.annotated import read_instances
from whysaid.data.captions.coco import Coco2017
from whysaid.data.images import Photo
from whysaid.data.instances import Instance, Instances
from whysaid.data.scenes.render import masks
from whysaid.data.scenes.scene import locate
from whysaid.data.scenes.world import scene


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
    instances = read_instances(Photo(i, folder / f"{i:012d}.png") for i in ids)
    assert set(instances.covered) == set(ids)
    for image_id in ids:
        drawn = scene(0, *locate(image_id), SIZE)
        for index, (thing, mask) in enumerate(zip(drawn.objects, masks(drawn), strict=True)):
            (instance,) = instances.of(image_id, thing.name)  # no class comes twice
            assert instance.id == 10 * image_id + index
            np.testing.assert_array_equal(instance.mask(SIZE), mask)
            rows, columns = np.nonzero(mask)
            box = np.zeros_like(mask)
            box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
            np.testing.assert_array_equal(instance.boxed(SIZE), box)


@pytest.mark.photos
def test_photos_with_all_categories_and_photos_with_people_alone():
    root = Path(__file__).parents[3] / "shared/data/coco_small"
    if not root.is_dir():
        pytest.skip("../shared/data/coco_small is not there")
    images = Coco2017(str(root), train=None, val=200).read("test")
    instances = read_instances(images)
    covered = [len(instances.covered.get(image.id, ())) for image in images]
    assert covered.count(80) == 200 and covered.count(1) == 200
    for image in images[:40]:
        with Image.open(image.path) as photo:
            sizes = {instance.size for instance in instances.objects[image.id]}
            assert sizes <= {photo.size[::-1]}
    masked = [instance for image in images[:40] for instance in instances.objects[image.id] if instance.segmentation]
    shares = [instance.mask(224)[instance.boxed(224)].sum() / max(instance.mask(224).sum(), 1) for instance in masked]
    assert len(masked) > 50 and np.mean(shares) > 0.97  # a mask lies in its box, but for a pixel at the edge


def test_a_mask_of_a_wide_picture():
    cat = Instance(1, "cat", (2, 2, 4, 4), (8, 8), [[2, 2, 6, 2, 6, 6, 2, 6]])
    wide = np.zeros((8, 16), bool)
    wide[2:6, 4:12] = True
    np.testing.assert_array_equal(cat.mask(8, 16), wide)
    np.testing.assert_array_equal(cat.boxed(8, 16), wide)


def test_a_crowd_is_known():
    entry = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}
    content = {
        "images": [{"id": 1, "height": 4, "width": 4}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{**entry, "id": 1}, {**entry, "id": 2, "iscrowd": 1}],
    }
    instances = Instances()
    instances.add(content)
    assert [cat.crowd for cat in instances.of(1, "cat")] == [False, True]
