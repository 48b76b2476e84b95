import json
from pathlib import Path

import numpy as np
import pytest

from tests.running import SIZE
from whysaid.data.annotated import annotated_objects, read_annotations, read_instances
from whysaid.data.images import Photo
from whysaid.data.scenes.render import masks
from whysaid.data.scenes.scene import locate
from whysaid.data.scenes.world import scene
from whysaid.errors import UserError


def annotated(root, name, images, annotations, categories):
    (root / "annotations").mkdir(exist_ok=True)
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 10, "height": 10} for i in images],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "bbox": [n, 0, 1, 1]} for n, (i, c) in enumerate(annotations)
        ],
        "categories": [{"id": c, "name": category} for c, category in enumerate(categories)],
    }
    (root / "annotations" / name).write_text(json.dumps(content))


def test_person_boxes_fill_in_for_images_without_instances(tmp_path):
    annotated(tmp_path, "instances_val2017.json", [1], [(1, 0), (1, 1)], ["person", "dog"])
    annotated(tmp_path, "person_boxes_val2017.json", [1, 2], [(1, 0), (2, 0), (2, 0)], ["person"])
    instances = read_instances(Photo(i, tmp_path / "val2017" / f"{i}.jpg") for i in (1, 2, 3))
    assert instances.covered == {1: {"person", "dog"}, 2: {"person"}}
    assert len(instances.of(1, "person")) == 1 and len(instances.of(2, "person")) == 2 and not instances.of(3, "person")


def test_no_annotations_at_all(tmp_path):
    assert not read_instances([Photo(1, tmp_path / "val2017" / "1.jpg")]).covered


def test_a_broken_file(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text("{")
    with pytest.raises(UserError, match=r"instances_val2017\.json is not a JSON file"):
        read_instances([Photo(1, tmp_path / "val2017" / "1.jpg")])


def test_the_objects_of_a_file_in_a_data_set(data_dir, tmp_path):
    folder = data_dir / "scenes" / "test2017"
    photo = sorted(folder.glob("*.png"))[3]
    instances = annotated_objects(photo)
    drawn = masks(scene(0, *locate(int(photo.stem)), SIZE))
    np.testing.assert_array_equal([instance.mask(SIZE) for instance in instances], drawn)
    assert annotated_objects(folder / "own.png") is None and annotated_objects(tmp_path / "own.png") is None


def written(root: Path, name: str, *pictures: tuple[int, str, str], size: int = 10, first: int = 0) -> Path:
    """An instances file of pictures (id, file name, category of its only object)."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    content = {
        "images": [{"id": i, "file_name": file, "width": size, "height": size} for i, file, _ in pictures],
        "annotations": [
            {"id": first + n, "image_id": i, "category_id": n, "bbox": [0, 0, 1, 1]}
            for n, (i, _, _) in enumerate(pictures)
        ],
        "categories": [{"id": n, "name": category} for n, (_, _, category) in enumerate(pictures)],
    }
    path = root / "annotations" / name
    path.write_text(json.dumps(content))
    return path


def test_pictures_are_known_by_their_names_in_their_folder(tmp_path: Path) -> None:
    """Both splits are numbered from 1, and the data set has numbers of its own."""
    written(tmp_path, "instances_train.json", (1, "a.jpg", "cat"), (2, "b.jpg", "dog"))
    written(tmp_path, "instances_val.json", (1, "c.jpg", "cow"), (2, "a.jpg", "sheep"))
    photos = [
        Photo(1, tmp_path / "val" / "c.jpg"),
        Photo(7, tmp_path / "train" / "b.png"),  # a copy in another format
        Photo(8, tmp_path / "val" / "a.jpg"),
        Photo(9, tmp_path / "train" / "none.jpg"),
    ]
    instances = read_instances(photos)
    assert {i: [thing.category for thing in things] for i, things in instances.objects.items()} == {
        1: ["cow"],
        7: ["dog"],
        8: ["sheep"],
    }
    assert 9 not in instances.covered


def test_file_names_with_folders(tmp_path: Path) -> None:
    written(tmp_path, "instances_val.json", (1, "day 1/x.png", "cat"), (2, "val/day 2/x.png", "dog"))
    one, two = tmp_path / "val" / "day 1" / "x.png", tmp_path / "val" / "day 2" / "x.png"
    assert [thing.category for thing in annotated_objects(one) or ()] == ["cat"]
    assert [thing.category for thing in annotated_objects(two) or ()] == ["dog"]
    assert annotated_objects(tmp_path / "val" / "x.png") is None
    instances = read_instances([Photo(5, one), Photo(6, two)])
    assert [instances.objects[i][0].category for i in (5, 6)] == ["cat", "dog"]


def test_one_id_for_two_pictures_of_a_file_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "instances_val.json", (1, "a.jpg", "cat"), (1, "b.jpg", "dog"))
    with pytest.raises(UserError, match=r"image 1 in .*instances_val\.json is b\.jpg and another picture too"):
        read_instances([Photo(1, tmp_path / "val" / "a.jpg"), Photo(2, tmp_path / "val" / "b.jpg")])


def test_an_id_that_two_files_use_for_other_pictures_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "instances_train.json", (1, "1.jpg", "cat"), (3, "3.jpg", "cow"))
    val = written(tmp_path, "instances_val.json", (1, "1.jpg", "dog"), first=10)
    message = r"image 1 is 1\.jpg in .*instances_train\.json and 1\.jpg, another picture, in .*val\.json: .*the one"
    with pytest.raises(UserError, match=message):
        read_annotations(tmp_path / "annotations")
    assert [thing.category for thing in read_annotations(val).objects[1]] == ["dog"]
    written(tmp_path, "instances_val.json", (1, "1.jpg", "cat"), size=11)
    with pytest.raises(UserError, match="another picture"):
        read_annotations(tmp_path / "annotations")


def test_a_picture_may_be_in_files_of_several_releases(tmp_path: Path) -> None:
    written(tmp_path, "instances_val2014.json", (42, "COCO_val2014_000000000042.jpg", "cat"))
    written(tmp_path, "instances_val2017.json", (42, "000000000042.jpg", "cat"))
    written(tmp_path, "person_boxes_val2017.json", (42, "000000000042.jpg", "person"))
    things = read_annotations(tmp_path / "annotations").objects[42]
    assert [thing.category for thing in things] == ["cat", "person"]
    written(tmp_path, "person_boxes_val2017.json", (42, "000000000043.jpg", "person"))
    with pytest.raises(UserError, match="another picture"):
        read_annotations(tmp_path / "annotations")
