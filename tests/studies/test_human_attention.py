"""The study of people's maps through its door: on objects that stand in for people, and on a made-up VQA-HAT."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr, ttest_ind

from tests.running import COUNTS, SIZE, SMALL_VQA, WORLD, Ran, run_door
from whysaid.data.questions.answers import normalised
from whysaid.data.questions.vqa import Question
from whysaid.data.scenes.source import ScenesQuestions
from whysaid.metrics.human_attention import MEASURES
from whysaid.studies.human_attention import study as human_attention
from whysaid.studies.human_attention.journal import described, weights_digest
from whysaid.studies.human_attention.sheet import sheet_kind

METHODS = ("saliency", "grad_cam")
NONE = ("lrp", "attention", "input_x_gradient", "deconvnet", "guided_backprop", "guided_grad_cam")
SLOW = ("integrated_gradients", "smooth_grad", "occlusion", "token_activation")
QUICK = (
    "logger=none",
    "study=human_attention",
    "study.size=32",
    "study.shown=1",
    *(f"study.methods.{name}=null" for name in (*NONE, *SLOW)),
)
TRAINING = (
    "experiment=saaa_scenes",
    *SMALL_VQA,
    *WORLD,
    "callbacks.answers=null",
    "callbacks.glimpses=null",
    "trainer.max_epochs=6",
    "optimizer.lr=5e-3",
    "scheduler=halving",
    "encoder_ckpt=null",
)


@pytest.fixture(scope="module")
def answered(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of six epochs: some of its answers are right, some are not."""
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path_factory.mktemp('answered')}"]
    return run_door("train", *TRAINING, *places).folder / "checkpoints" / "best.ckpt"


@pytest.fixture
def evaluate(answered: Path, places: list[str]) -> Callable[..., Ran]:
    return lambda *more: run_door("evaluate", f"ckpt={answered}", *QUICK, *places, *more)


@pytest.fixture
def asked(data_dir: Path) -> list[Question]:
    images = ScenesQuestions(str(data_dir / "scenes"), size=SIZE, counts=COUNTS).read("test")
    return [question for image in images for question in image.questions]


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"human_attention{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_objects_stand_in_for_people(evaluate: Callable[..., Ran]) -> None:
    ran = evaluate("study.questions=12", "study.low=0.5", "study.high=0.5")
    about = json.loads((ran.folder / "human_attention.json").read_text())
    assert "stand-in" in about["people"] and "stand-in" in ran.out
    pairs = table(ran.folder, "_pairs")
    assert len({row["question_id"] for row in pairs}) == 12
    assert {row["method"] for row in pairs} == {*METHODS, "centre", "random"}  # nobody to agree with
    for row in pairs:
        assert row["target"] in ({""} if row["method"] in ("centre", "random") else {"right", "predicted"})
        assert -1 <= float(row["spearman"]) <= 1 and 0 <= float(row["value_iou"]) <= 1
    by_chance = [float(row["spearman"]) for row in pairs if row["method"] == "random"]
    assert abs(np.mean(by_chance)) < 0.06 and len(set(by_chance)) == 12
    wrong = {row["question_id"] for row in pairs if row["correct"] == "False"}
    assert {row["question_id"] for row in pairs if row["target"] == "predicted"} == wrong != set()
    saliency = [float(row["spearman"]) for row in pairs if row["method"] == "saliency" and row["target"] == "right"]
    (mean,) = (row for row in table(ran.folder, "") if row["method"] == "saliency" and row["target"] == "right")
    assert float(mean["spearman"]) == pytest.approx(np.mean(saliency)) and mean["questions"] == "12"
    metrics = json.loads((ran.folder / "metrics.json").read_text())
    assert metrics["test/human_attention_spearman_saliency"] == pytest.approx(np.mean(saliency))
    assert {row["measure"] for row in table(ran.folder, "_correlations")} == set(MEASURES)
    names = ("", "_topk_iou", "_value_f1", "_distributions", "_differences", "_weights")
    assert all(Image.open(ran.folder / f"human_attention{name}.png").width > 300 for name in names)


def test_the_table_of_tests_is_that_of_scipy(evaluate: Callable[..., Ran]) -> None:
    folder = evaluate("study.questions=60", "split=train", "study.low=0.5", "study.high=0.5").folder
    pairs = table(folder, "_pairs")
    tests = [
        row for row in table(folder, "_tests") if row["target"] == "right" and row["contrast"] == "correct − wrong"
    ]
    assert {row["method"] for row in tests} == set(METHODS) and len(tests) == 2 * len(MEASURES)
    for test in tests:
        own = [row for row in pairs if row["method"] == test["method"] and row["target"] == "right"]
        groups = [[float(r[test["measure"]]) for r in own if r["correct"] == word] for word in ("True", "False")]
        if test["p"]:
            assert float(test["p"]) == pytest.approx(ttest_ind(*groups).pvalue)
        else:
            assert min(map(len, groups)) < 2 or not np.ptp(np.concatenate(groups))
    assert sum(bool(test["p"]) for test in tests) >= len(MEASURES)


def test_a_made_up_folder_of_people(
    evaluate: Callable[..., Ran], asked: list[Question], tmp_path: Path, answered: Path
) -> None:
    """Two people who agree, two who do not, a map that cannot be read, and one without a question."""
    hat = tmp_path / "hat"
    hat.mkdir()
    draw = np.random.default_rng(0).integers(0, 256, (3, 40, 60), dtype=np.uint8)
    first, second, third = (question.id for question in asked[:3])
    for name, number in ((f"{first}_1", 0), (f"{first}_2", 0), (f"{second}_1", 1), (f"{second}_2", 2), ("7_1", 0)):
        Image.fromarray(draw[number]).save(hat / f"{name}.png")
    (hat / f"{second}_3.png").write_bytes(b"cut")
    (hat / f"{third}_1.png").write_bytes(b"cut")
    ran = evaluate(f"study.hat={hat}", "study.questions=null")
    content = json.loads((ran.folder / "human_attention.json").read_text())
    assert content["people"] == "people (VQA-HAT)"
    assert content["skipped"]["maps without a question"] == ["7_1.png"]
    assert sorted(content["skipped"]["unreadable maps"]) == sorted([f"{second}_3.png", f"{third}_1.png"])
    assert "1 maps without a question, 2 unreadable maps" in ran.out
    people = {int(row["question_id"]): row for row in content["pairs"] if row["method"] == "people"}
    assert set(people) == {first, second} and all(row["people"] == 2 for row in people.values())
    assert people[first]["spearman"] == pytest.approx(1) and people[first]["topk_iou"] == pytest.approx(1)
    small = [np.asarray(Image.fromarray(d.astype(np.float32)).resize((32, 32), 2)) for d in draw[1:]]
    assert people[second]["spearman"] == pytest.approx(spearmanr(small[0].ravel(), small[1].ravel())[0], abs=1e-3)


def test_answers_outside_of_the_vocabulary(
    evaluate: Callable[..., Ran], asked: list[Question], answered: Path, tmp_path: Path
) -> None:
    stored = torch.load(answered, "cpu", weights_only=False)
    word = asked[0].answer
    stored["answers"] = ["zebra" if answer == word else answer for answer in stored["answers"]]
    torch.save(stored, tmp_path / "other.ckpt")
    folder = evaluate(f"ckpt={tmp_path}/other.ckpt", "study.questions=4").folder
    about = json.loads((folder / "human_attention.json").read_text())
    expected = {q.id for q in asked if q.deciding and normalised(q.answer) not in stored["answers"]}
    assert set(about["skipped"]["answers outside the vocabulary"]) == expected != set()


def test_a_killed_study_goes_on(evaluate: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluate("study.questions=8", f"hydra.run.dir={tmp_path}/whole").folder
    asked_for: list[int] = []
    explain = human_attention.explain

    def killed_at(number: int | None) -> Callable[..., object]:
        def run(task: object, data: object, group: list[human_attention.Asked], *rest: object) -> object:
            if len(asked_for) == number:
                raise KeyboardInterrupt
            asked_for.extend(asked.question.id for asked in group)
            return explain(task, data, group, *rest)  # type: ignore[arg-type]

        return run

    monkeypatch.setattr(human_attention, "explain", killed_at(5))
    assert evaluate("study.questions=8", f"hydra.run.dir={tmp_path}/killed").code != 0
    kept = (tmp_path / "killed" / "human_attention.jsonl").read_text()
    assert len(kept.splitlines()) == 1 + 5 and not (tmp_path / "killed" / "human_attention.csv").exists()
    monkeypatch.setattr(human_attention, "explain", killed_at(None))
    again = evaluate("study.questions=8", f"hydra.run.dir={tmp_path}/killed").folder
    assert len(asked_for) == len(set(asked_for)) == 8
    assert (again / "human_attention.jsonl").read_text().startswith(kept)
    for name in ("human_attention.json", "human_attention_pairs.csv", "human_attention_tests.csv"):
        assert (again / name).read_text() == (whole / name).read_text()
    error = evaluate("study.questions=8", "study.share=0.2", f"hydra.run.dir={tmp_path}/killed").error
    assert "begun with other settings (share)" in error


def test_several_questions_at_once_give_the_same(evaluate: Callable[..., Ran]) -> None:
    single, four = (table(evaluate("study.questions=8", f"study.at_once={n}").folder, "_pairs") for n in (1, 4))
    key = ("question_id", "method", "target", "answer", "correct")
    assert [[row[k] for k in key] for row in single] == [[row[k] for k in key] for row in four]
    smooth = [i for i, row in enumerate(single) if row["method"] != "saliency"]  # rounding turns single ReLUs of others
    for name in ("spearman", "intersect", "value_iou", "confidence"):
        pairs = [(float(single[i][name]), float(four[i][name])) for i in smooth]
        assert [a for a, _ in pairs] == pytest.approx([b for _, b in pairs], abs=2e-3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("study.hat=nowhere", "there is no folder nowhere"),
        ("study.share=0", "0 < share ≤ 1"),
        ("data.cache_features=true", "data.cache_features=false"),
    ],
)
def test_what_cannot_be_studied(evaluate: Callable[..., Ran], more: str, message: str) -> None:
    assert message in evaluate(more).error


def test_maps_that_all_cannot_be_read(evaluate: Callable[..., Ran], asked: list[Question], tmp_path: Path) -> None:
    (tmp_path / f"{asked[0].id}_1.png").write_bytes(b"cut")
    assert "none of the 1 questions has a photo and a map that can be read" in evaluate(f"study.hat={tmp_path}").error


def test_a_photo_that_cannot_be_read(
    evaluate: Callable[..., Ran], asked: list[Question], data_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data_dir, copy)
    known = [question.id for question in asked if question.deciding]
    photo = copy / "scenes" / "test2017" / f"{known[0] // 1000:012d}.png"
    photo.write_bytes(b"cut")
    folder = evaluate("study.questions=null", f"paths.data_dir={copy}", f"data.root={copy}/scenes").folder
    about = json.loads((folder / "human_attention.json").read_text())
    assert set(about["skipped"]["unreadable photos"]) == {photo.name}
    assert known[0] not in {row["question_id"] for row in about["pairs"]} != set()


def test_a_captioner_answers_nothing(finished: Path, places: list[str]) -> None:
    ran = run_door("evaluate", f"ckpt={finished}/checkpoints/best.ckpt", *QUICK, *places)
    assert "study=human_attention is of VQA models: give ckpt= the checkpoint of one" in ran.error


def test_settings_tell_models_and_methods_apart() -> None:
    torch.manual_seed(0)
    first, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert weights_digest(first) == weights_digest(first) != weights_digest(other)
    assert described({"a": [1, len], "b": Question}) == {"a": [1, "len"], "b": "Question"}


@pytest.mark.parametrize(
    ("predicted", "confidence", "kind"),
    [(1, 0.8, "sure_wrong"), (1, 0.7, None), (0, 0.2, "unsure_correct"), (0, 0.3, None), (1, 0.2, None)],
)
def test_which_questions_are_drawn(predicted: int, confidence: float, kind: str | None) -> None:
    answer = human_attention.ExplainedAnswer(predicted, confidence, torch.zeros(3, 2, 2), {})
    asked = human_attention.Asked(None, None, 0)  # type: ignore[arg-type]
    assert sheet_kind(asked, answer, 0.25, 0.75) == kind and sheet_kind(asked, None, 0.25, 0.75) is None
