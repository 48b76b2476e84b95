"""The doors, for a model that answers questions."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.running import SIZE, SMALL_VQA, WORLD, Ran, composed, run_door, trained
from tests.wandb_file import read_history, read_records
from whysaid.data.scenes.objects import CLASSES

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "coco_small"

SCENES = (
    "experiment=saaa_scenes",
    *SMALL_VQA,
    *WORLD,
    "trainer.max_epochs=2",
    "trainer.check_val_every_n_epoch=1",
    "scheduler=halving",
)


@pytest.fixture(scope="module")
def answered(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of two epochs with all that draws and writes. Read only."""
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path_factory.mktemp('answered')}"]
    return run_door("train", *SCENES, *places, "trainer.log_every_n_steps=1").folder


@pytest.fixture
def ckpt(answered: Path) -> str:
    return f"ckpt={answered}/checkpoints/best.ckpt"


def explained(ran: Ran) -> list[dict]:  # type: ignore[type-arg]
    return json.loads((ran.folder / "explanations.json").read_text())["explanations"]


def test_what_a_run_leaves_behind(answered: Path) -> None:
    metrics = json.loads((answered / "metrics.json").read_text())
    types = {"is_there_a", "how_many", "what_colour_is", "what_is", "yes_no", "number", "other"}
    assert {f"test/vqa_accuracy_{name}" for name in types} | {"test/vqa_accuracy", "val/vqa_accuracy"} <= metrics.keys()
    assert {"train/loss", "train/accuracy"} <= metrics.keys() and "test/vqa_multiple_choice" not in metrics
    four = [metrics[f"test/vqa_accuracy_{name}"] for name in ("is_there_a", "how_many", "what_colour_is", "what_is")]
    assert metrics["test/vqa_accuracy"] == pytest.approx(np.mean(four), abs=1e-6)  # equal shares
    predictions = json.loads((answered / "predictions_test.json").read_text())
    assert len(predictions) == len({one["question_id"] for one in predictions}) == 32
    assert np.mean([one["accuracy"] for one in predictions]) == pytest.approx(metrics["test/vqa_accuracy"])
    assert Image.open(answered / "figures" / "answers_test.png").width > 1000
    assert len(list((answered / "figures").glob("glimpses_*.png"))) == 4


def test_a_checkpoint_is_plain_containers(answered: Path) -> None:
    stored = torch.load(answered / "checkpoints" / "best.ckpt", "cpu", weights_only=True)
    assert stored["vocabulary"][:1] == ["<pad>"] and "colour" in stored["vocabulary"]
    assert {"yes", "no", "red", "3"} <= set(stored["answers"]) and stored["config"][
        "assemble"
    ] == "whysaid.assemble.vqa"
    embedding = stored["state_dict"]["model.embedding.weight"]
    assert (embedding[[0, 3]] == 0).all() and (embedding[4:] != 0).all()


def test_evaluate_gives_the_same_accuracy(ckpt: str, answered: Path, places: list[str]) -> None:
    ran = run_door("evaluate", ckpt, "logger=none", "trainer.enable_progress_bar=false", *places)
    found, own = (json.loads((folder / "metrics.json").read_text()) for folder in (ran.folder, answered))
    assert found and found == {name: pytest.approx(own[name]) for name in found}
    assert "val/vqa_accuracy" in run_metrics(run_door("evaluate", ckpt, "split=val", "logger=none", *places))


def run_metrics(ran: Ran) -> dict[str, float]:
    return json.loads((ran.folder / "metrics.json").read_text())


def test_explain_answers_a_question(ckpt: str, data_dir: Path, places: list[str]) -> None:
    photo = next((data_dir / "scenes" / "test2017").iterdir())
    ran = run_door("explain", ckpt, f"image={photo}", "question='What colour is the ball?'", *places)
    (record,) = explained(ran)
    assert record["question"] == "what colour is the ball" and record["read"] == record["question"].split()
    assert len(record["answers"]) == 5 and record["words"] == [record["answers"][0]["answer"]]
    assert sum(one["confidence"] for one in record["answers"]) < 1.0001
    assert np.shape(record["relevance"]["lrp"]["words"]) == (1, 5)
    likeliest = record["answers"][1]
    assert f"{likeliest['answer']} {likeliest['confidence']:.2f}" in (ran.folder / "report.html").read_text()


def test_explain_also_explains_a_given_answer(ckpt: str, data_dir: Path, places: list[str]) -> None:
    photo = next((data_dir / "scenes" / "test2017").iterdir())
    ran = run_door(
        "explain", ckpt, f"image={photo}", "question='how many things are there?'", "answer='Purple!'", *places
    )
    (record,) = explained(ran)
    assert record["words"] == ["purple", record["answers"][0]["answer"]]
    maps = np.load(ran.folder / record["maps"])
    assert maps["lrp"].shape == (2, SIZE, SIZE) and not np.allclose(maps["lrp"][0], maps["lrp"][1])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], 'add question="what colour is the ball?"'),
        (["question='zebra crossing'"], "no word that this model knows"),
        (["question='is there a ball?'", "answer=zebra"], "'zebra' is not among the"),
        (["question='is there a ball?'", "caption=a ball"], "is a VQA model's, which takes no caption="),
    ],
)
def test_what_cannot_be_explained(ckpt: str, data_dir: Path, places: list[str], extra: list[str], message: str) -> None:
    photo = next((data_dir / "scenes" / "test2017").iterdir())
    assert message in run_door("explain", ckpt, f"image={photo}", *extra, *places).error


def test_an_unknown_word_is_passed_over_with_a_warning(ckpt: str, data_dir: Path, places: list[str]) -> None:
    photo = next((data_dir / "scenes" / "test2017").iterdir())
    plain = run_door("explain", ckpt, f"image={photo}", "question='how many things are there?'", *places)
    odd = run_door("explain", ckpt, f"image={photo}", "question='how many zebra things are there?'", *places)
    assert "does not know 'zebra'" in odd.err and "does not know" not in plain.err
    assert explained(odd)[0]["answers"] == explained(plain)[0]["answers"]


def test_the_encoder_starts_from_a_captioner(
    finished: Path, places: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    best = finished / "checkpoints" / "best.ckpt"
    frozen = ["task.tune_encoder=false", "data.shift=0", "data.mirror=false"]
    settings = [*SCENES, *places, "test=false", "trainer.max_epochs=1", *frozen]
    with caplog.at_level("INFO"):
        trained(tmp_path / "one", *settings, f"encoder_ckpt={best}")
    assert f"{best} has no weights of these parts, which start at random: " in caplog.text  # the dilated block
    theirs = torch.load(best, "cpu", weights_only=True)["state_dict"]
    ours = torch.load(tmp_path / "one/checkpoints/last.ckpt", "cpu", weights_only=True)["state_dict"]
    encoder = [name for name in theirs if name.startswith("captioner.encoder.")]
    assert encoder and all(torch.equal(ours["model" + n.removeprefix("captioner")], theirs[n]) for n in encoder)
    other = run_door("train", *settings, f"encoder_ckpt={best}", "encoder.widths=[4, 8, 8, 16]")
    assert "does not fit this model" in other.error


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(places: list[str], tmp_path: Path) -> None:
    settings = [*SCENES, *places, "callbacks.glimpses=null", "callbacks.answers=null", "test=false"]
    trained(tmp_path / "whole", *settings)
    trained(tmp_path / "half", *settings, "trainer.max_steps=8", "callbacks.last.every_n_train_steps=4")
    resumed = run_door("train", f"resume={tmp_path}/half", "trainer.max_steps=-1")
    assert resumed.code == 0, resumed.err
    states = [
        torch.load(tmp_path / run / "checkpoints/last.ckpt", "cpu", weights_only=True) for run in ("whole", "half")
    ]
    assert states[0]["global_step"] == states[1]["global_step"] > 8
    for name, value in states[0]["state_dict"].items():
        torch.testing.assert_close(states[1]["state_dict"][name], value, rtol=0, atol=0)


def test_two_processes_give_the_metrics_of_one(ckpt: str, places: list[str]) -> None:
    settings = [ckpt, "logger=none", "trainer.enable_progress_bar=false", *places]
    alone = run_metrics(run_door("evaluate", *settings))
    two = run_metrics(run_door("evaluate", *settings, "trainer=ddp_cpu", "trainer.strategy=ddp_fork"))
    assert two == {name: pytest.approx(value) for name, value in alone.items()}


def test_tables_and_glimpses_are_logged(places: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    ran = run_door("train", *SCENES, *places, "logger=wandb", "trainer.max_epochs=1")
    (path,) = ran.folder.glob("wandb/offline-run-*/*.wandb")
    keys = {key.partition("/path")[0] for row in read_history(list(read_records(path))) for key in row}
    assert {"val/answers", "test/answers", "val/vqa_accuracy", "test/vqa_accuracy_how_many"} <= keys
    assert any(key.startswith("val/glimpses") for key in keys) and any(k.startswith("test/answer_sheet") for k in keys)


def test_the_table_needs_what_is_scored(places: list[str]) -> None:
    ran = run_door("train", *SCENES, *places, "callbacks.metrics=null", "debug=fast_dev_run")
    assert "callbacks.answers=null" in ran.error


def test_a_checkpoint_of_other_answers_is_refused(ckpt: str, places: list[str]) -> None:
    ran = run_door("train", *SCENES, *places, ckpt, "data.answers=5")
    assert "knows" in ran.error and "data.answers" in ran.error
    assert run_door("train", *SCENES, *places, ckpt, "debug=fast_dev_run").code == 0


def test_prepare_describes_the_questions_and_caches_features(places: list[str], data_dir: Path) -> None:
    world = [setting for setting in WORLD if not setting.startswith("encoder.")]
    encoder = ["encoder=scenes_cnn", f"encoder.image_size={SIZE}", "encoder.widths=[4, 8]", "features=true"]
    ran = run_door("prepare", "data=scenes_vqa", *world, *encoder, *places)
    assert ran.code == 0 and "28 answers" not in ran.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ran.out.splitlines() if "│ train" in line]
    assert rows[0][0] == "train" and rows[0][2:] == ["288", "100.00%"]
    assert list((data_dir / "cache" / "scenes").glob("features-scenescnn-*"))


@pytest.mark.parametrize("version", [1, 2])
def test_the_published_experiments_run(version: int, data_dir: Path, places: list[str]) -> None:
    """On scenes laid out as VQA v1 and v2 are, with cached features of a small ResNet without weights."""
    root = official(data_dir, version)
    small = [
        *SMALL_VQA,
        f"data.root={root}",
        "data.follow_links=true",
        "data.source.val=8",
        "encoder=resnet101",
        "encoder.depth=50",
        "encoder.weights=null",
        "encoder.image_size=32",
        "data.answers=20",
    ]
    metrics = run_metrics(run_door("train", f"experiment=saaa_vqa{version}", "debug=fast_dev_run", *small, *places))
    assert {"val/vqa_accuracy", "test/vqa_accuracy"} <= metrics.keys()
    assert ("test/vqa_multiple_choice" in metrics) == (version == 1)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="../shared/data/coco_small is not there")
def test_real_questions_are_learnt_by_heart(tmp_path: Path) -> None:
    """VQA's own files and COCO's photos, through the reader, cached features of ImageNet's weights and the metric."""
    ran = run_door(
        "train",
        "experiment=saaa_vqa2",
        *SMALL_VQA,
        f"data.root={PHOTOS}",
        "data.source.questions=vqa",
        *("data.source.folders.train=train2017", "+data.source.folders.val=train2017"),
        *("data.source.folders.test=val2017", "data.source.image='{id:012d}.jpg'"),
        *("encoder=efficientnet_lite0", "data.cache_features=true", "data.answers=100"),
        *("model.hidden_dim=64", "model.attention_dim=32", "model.embed_dim=32", "model.classifier_dim=64"),
        *("model.dropout=0", "optimizer.lr=3e-3", "trainer.max_epochs=25", "trainer.check_val_every_n_epoch=25"),
        *("callbacks.glimpses=null", "callbacks.answers=null"),
        *(f"paths.data_dir={tmp_path}/data", f"paths.output_dir={tmp_path}/outputs"),
    )
    metrics = run_metrics(ran)
    assert metrics["val/vqa_accuracy"] > 0.85 > metrics["test/vqa_accuracy"]  # validated on what it is trained on


def official(data_dir: Path, version: int) -> Path:
    """The tests' world under the names of VQA's own files and MSCOCO 2014's images."""
    root, prefix = data_dir / f"official{version}", {1: "", 2: "v2_"}[version]
    (root / "questions").mkdir(parents=True)
    for split, folder in (("train", "train2014"), ("test", "val2014")):
        (root / folder).mkdir()
        for path in (data_dir / "scenes" / f"{split}2017").iterdir():
            (root / folder / f"COCO_{folder}_{path.stem}.jpg").symlink_to(path)
        vqa = data_dir / "scenes" / "vqa"
        asked = json.loads((vqa / f"v2_OpenEnded_mscoco_{split}2017_questions.json").read_text())
        for question in asked["questions"]:
            question["multiple_choices"] = ["yes", "no", "2", "red", *CLASSES[:14]]
        kind = "MultipleChoice" if version == 1 else "OpenEnded"
        (root / "questions" / f"{prefix}{kind}_mscoco_{folder}_questions.json").write_text(json.dumps(asked))
        answered = (vqa / f"v2_mscoco_{split}2017_annotations.json").read_text()
        (root / "questions" / f"{prefix}mscoco_{folder}_annotations.json").write_text(answered)
    return root


def test_the_scenes_experiment_sees_scenes_of_the_size_it_is_drawn_in(tmp_path: Path) -> None:
    config = composed("train", tmp_path, "experiment=saaa_scenes")
    assert config.encoder.image_size == config.data.source.size and config.data.source.size > SIZE
