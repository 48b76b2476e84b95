"""A made-up folder of people's maps."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.running import COUNTS, SIZE
from whysaid.data.questions.hat import DecidingObjects, HatMaps
from whysaid.data.questions.vqa import Question
from whysaid.data.scenes.source import ScenesQuestions
from whysaid.errors import UserError


def question(i: int) -> Question:
    return Question(i, "what is it?", "what is", "other", "ball", ("ball",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, level in (("11_1", 51), ("11_2", 255), ("12_1", 0), ("99_1", 9)):
        Image.fromarray(np.full((4, 6), level, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "11_3.png").write_bytes(b"no picture")
    (tmp_path / "readme.png").write_bytes(b"")
    (tmp_path / "._11_1.png").write_bytes(b"")  # hidden: what a Mac leaves beside a file
    return tmp_path


def test_several_people_and_unreadable_files(folder: Path) -> None:
    looks = HatMaps(folder).of(question(11))
    assert [looked.shape for looked in looks.maps] == [(4, 6)] * 2
    assert [float(looked[0, 0]) for looked in looks.maps] == pytest.approx([0.2, 1.0])
    assert looks.unreadable == ["11_3.png"]
    assert HatMaps(folder).of(question(13)) == ([], [])


def test_which_questions_have_maps(folder: Path) -> None:
    people = HatMaps(folder)
    assert [i for i in (10, 11, 12, 99) if question(i) in people] == [11, 12, 99]
    assert people.unasked({11, 12}) == ["99_1.png", "readme.png"]


def test_folders_without_maps(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no <question id>_<n>\.png"):
        HatMaps(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        HatMaps(tmp_path / "none")


def test_objects_stand_in_for_people(data_dir: Path) -> None:
    images = ScenesQuestions(str(data_dir / "scenes"), size=SIZE, counts=COUNTS).read("test")
    people = DecidingObjects(images, 48)
    asked = next(q for image in images for q in image.questions if q.deciding)
    (mask,) = people.of(asked).maps
    assert asked in people and mask.shape == (48, 48) and set(np.unique(mask)) == {0, 1} and 0 < mask.mean() < 0.7
    assert "stand-in" in people.label and question(1) not in people and people.of(question(1)) == ([], [])
    with pytest.raises(UserError, match="do not say which objects decide"):
        DecidingObjects([], 48)
