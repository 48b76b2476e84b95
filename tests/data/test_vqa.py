"""From VQA's files to batches."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.running import COUNTS, SIZE
from whysaid.data.features.featured import ModelInputs
from whysaid.data.images import Preprocessing
from whysaid.data.questions.datamodule import QuestionData, grouped
from whysaid.data.questions.vqa import VQA, AskedImage, Question
from whysaid.data.sampler import Key
from whysaid.data.scenes.source import ScenesQuestions
from whysaid.data.vocabulary import PAD, UNK, Vocabulary
from whysaid.errors import UserError

SMALL = Path(__file__).parents[3] / "shared" / "data" / "coco_small"
photos = pytest.mark.skipif(not SMALL.is_dir(), reason="../shared/data/coco_small is not there")
FOLDERS = {"train": "train2017", "test": "val2017"}


def entry(number: int, image_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    ids = {"question_id": 10 * image_id + number, "image_id": image_id}
    answers = [{"answer": a, "answer_id": i} for i, a in enumerate(["Two"] * 6 + ["2"] * 2 + ["a pair"] * 2)]
    asked = {**ids, "question": f"How many things, number {number}?", "multiple_choices": ["2", "red", "no"]}
    return asked, {**ids, "question_type": "how many", "multiple_choice_answer": "2", "answers": answers}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """VQA v1: six training images with one to six questions, and two for test."""
    (tmp_path / "questions").mkdir()
    for folder, ids in (("train2014", range(1, 7)), ("val2014", range(7, 9))):
        pairs = [entry(number, i) for i in ids for number in range(i if folder == "train2014" else 2)]
        for name, key, at in (
            (f"OpenEnded_mscoco_{folder}_questions", "questions", 0),
            (f"MultipleChoice_mscoco_{folder}_questions", "questions", 0),
            (f"mscoco_{folder}_annotations", "annotations", 1),
        ):
            content = json.dumps({key: [pair[at] for pair in pairs]})
            (tmp_path / "questions" / f"{name}.json").write_text(content)
        (tmp_path / folder).mkdir()
        for i in ids:
            Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / folder / f"COCO_{folder}_{i:012d}.jpg")
    return tmp_path


def source(root: Path, **settings: Any) -> VQA:
    return VQA(str(root), "questions", **{"version": 1, "val": 2, **settings})


def made(source: Any, folder: Path, vocabulary: Vocabulary | None = None, **settings: Any) -> QuestionData:
    whole = {"batch_size": 2, "eval_batch_size": 2, "questions_per_image": 4, **settings}
    data = QuestionData("any", str(folder), source, str(folder / "cache"), **whole)
    return data.for_model(ModelInputs(Preprocessing(8, (0.0,) * 3, (1.0,) * 3), vocabulary=vocabulary))


def test_splits_are_drawn_by_image(root: Path) -> None:
    splits = {split: source(root).read(split) for split in ("train", "val", "test")}
    assert [len(splits[split]) for split in ("train", "val", "test")] == [4, 2, 2]
    assert {image.id for image in splits["train"]} | {image.id for image in splits["val"]} == set(range(1, 7))
    assert [image.id for image in splits["test"]] == [7, 8]
    assert [image.id for image in source(root).read("val")] == [image.id for image in splits["val"]]
    question = splits["test"][0].questions[1]
    assert question.id == 71 and question.answer == "2" and question.type == "how many" and not question.choices
    assert question.answers.count("Two") == 6 and splits["test"][0].path.name == "COCO_val2014_000000000007.jpg"
    chosen = source(root, multiple_choice=True).read("test")[0].questions[0]
    assert chosen.choices == ("2", "red", "no")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val": 6}, "too few to draw 6 for validation"),
        ({"version": 3}, "no version 3"),
        ({"version": 2}, "v2_OpenEnded_mscoco_train2014_questions.json is missing"),
    ],
)
def test_what_cannot_be_read(root: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        source(root, **settings).read("train")


def test_files_that_do_not_fit(root: Path) -> None:
    annotations = root / "questions" / "mscoco_val2014_annotations.json"
    whole = json.loads(annotations.read_text())
    for broken, message in (
        ({"annotations": whole["annotations"][1:]}, "does not answer question 70"),
        ({"questions": []}, "no list of annotations"),
        ({"annotations": [{"question_id": 70}, *whole["annotations"][1:]]}, "question 70 or its annotation lacks"),
    ):
        annotations.write_text(json.dumps(broken))
        with pytest.raises(UserError, match=message):
            source(root).read("test")


def test_an_image_with_more_questions_stands_several_times(root: Path) -> None:
    question = Question(1, "?", "", "", "", ())
    groups = grouped([AskedImage(3, Path("x"), (question,) * 5), AskedImage(4, Path("y"), (question,))], 2)
    assert [(image.id, len(image.questions)) for image in groups] == [(3, 2), (3, 2), (3, 1), (4, 1)]
    data = made(source(root), root)
    batches = list(data.loader("train"))
    asked = torch.cat([batch.question_ids.flatten() for batch in batches])
    assert set(asked[asked >= 0].tolist()) <= set(data.questions("train"))
    evaluated = torch.cat([batch.question_ids.flatten() for batch in data.loader("val")])
    assert sorted(evaluated[evaluated >= 0].tolist()) == sorted(data.questions("val"))


def test_batches(root: Path) -> None:
    data = made(source(root, multiple_choice=True), root, answers=2)
    (batch,) = data.loader("test")
    assert data.answers.answers == ["2", "pair"]
    assert batch.image_ids.tolist() == [7, 8] and len(batch) == 2
    assert batch.question_ids.tolist() == [[70, 71, -1, -1], [80, 81, -1, -1]]
    assert batch.images.shape == (2, 3, 8, 8) and batch.questions.shape == (2, 4, 5)
    words = [data.vocabulary.words[i] for i in batch.questions[0, 1].tolist()]
    assert words == ["how", "many", "things", "number", "1"]
    assert (batch.questions[:, 2:] == PAD).all()
    assert batch.answers[0, 0].tolist() == [0] * 8 + [1] * 2 and (batch.answers[:, 2:] == -1).all()
    assert batch.choices[0].tolist() == [[0, -1, -1]] * 2 + [[-1] * 3] * 2
    (plain,) = made(source(root), root).loader("test")
    assert plain.choices is None
    (cut,) = made(source(root), root, max_words=2).loader("test")
    assert cut.questions.shape == (2, 4, 2)


def test_words_and_answers_are_those_of_training(root: Path) -> None:
    def read(split: str) -> list[AskedImage]:
        return [AskedImage(1, root, (Question(1, f"{split}?", "", "", split, (split,) * 10),))]

    data = made(type("Splits", (), {"read": lambda self, split: read(split)})(), root)
    assert data.answers.answers == ["train"] and data.vocabulary.words[4:] == ["train"]


def test_training_pictures_are_moved_and_mirrored_with_their_questions(root: Path) -> None:
    path = root / "train2014" / "COCO_train2014_000000000003.jpg"
    left_half = Image.new("RGB", (8, 8))
    left_half.paste((255, 255, 255), (0, 0, 4, 8))
    left_half.save(path, quality=100)
    question = Question(1, "What is LEFT of the right wall?", "", "", "left", ("left side",) * 2, ("right",))
    images = [AskedImage(3, path, (question,))]
    data = made(type("One", (), {"read": lambda self, split: images})(), root, mirror=True, shift=2, batch_size=1)
    changes = set()
    for epoch in range(30):
        batch = data.dataset("train")[[Key(epoch, 0)]]
        words = [data.vocabulary.words[i] for i in batch.questions[0, 0].tolist()]
        mirrored = words[2] == "right"
        first, second = ("right", "left") if mirrored else ("left", "right")
        assert words == ["what", "is", first, "of", "the", second, "wall"]
        assert batch.answers[0, 0].tolist() == [-1 if mirrored else 0] * 2  # "right side" is no answer of this data
        bright = batch.images[0, 0].mean(0).flip(0) if mirrored else batch.images[0, 0].mean(0)
        changes.add((mirrored, int((bright > 0.5).sum())))
        again = data.dataset("train")[[Key(epoch, 0)]]
        assert again.images.equal(batch.images) and again.questions.equal(batch.questions)
    assert changes == {(mirrored, width) for mirrored in (True, False) for width in range(2, 7)}
    (plain,) = data.loader("val")
    assert plain.images[0, 0].mean(0).gt(0.5).tolist() == [True] * 4 + [False] * 4


def test_cached_features_cannot_be_changed(root: Path) -> None:
    for change in ({"shift": 1}, {"mirror": True}):
        with pytest.raises(UserError, match="cached features are of pictures as they are"):
            made(source(root), root, cache_features=True, **change)
    with pytest.raises(UserError, match=r"data\.shift"):
        made(source(root), root, shift=-1)


def test_unknown_words(root: Path) -> None:
    data = made(source(root), root, min_count=3)
    assert data.vocabulary.question("How many zebras?")[-1] == UNK
    assert data.vocabulary.question("?!") == [UNK]
    strange = made(source(root), root, Vocabulary.build([["zebra"]], 1))
    with pytest.raises(UserError, match="no test question has a known word"):
        strange.dataset("test")


def test_the_questions_of_scenes(data_dir: Path) -> None:
    scenes = ScenesQuestions(str(data_dir / "scenes"), size=SIZE, counts=COUNTS)
    images = scenes.read("test")
    questions = [question for image in images for question in image.questions]
    assert len(questions) == 32 and {question.answer_type for question in questions} == {"yes/no", "number", "other"}
    assert all(len(set(q.answers)) == 1 and len(q.answers) == 10 and q.deciding for q in questions)
    assert all(image.path.is_file() for image in images)
    assert {i // 10 for image in images for q in image.questions for i in q.deciding} == {image.id for image in images}


@photos
def test_real_questions() -> None:
    real = VQA(str(SMALL), "vqa", FOLDERS, "{id:012d}.jpg", version=2, val=5)
    splits = {split: real.read(split) for split in ("train", "val", "test")}
    numbers = {split: sum(len(image.questions) for image in images) for split, images in splits.items()}
    assert numbers["train"] + numbers["val"] == 58 and numbers["test"] == 54
    assert all(len(q.answers) == 10 for images in splits.values() for image in images for q in image.questions)
    data = made(real, SMALL, questions_per_image=2)
    data.cache_dir = Path("unused")
    batch = next(iter(data.loader("test")))
    assert batch.images.shape[1:] == (3, 8, 8) and (batch.answers >= 0).any()
