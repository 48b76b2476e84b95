"""Models of transformers' own classes that are trained here: their checkpoints are taken by every door."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.running import SIZE, SMALL_BLIP, SMALL_VILT, run_door
from tests.studies.test_doors import CHAIN

FIGURES = [f"callbacks.{name}=null" for name in ("attention", "captions", "hallucination", "heat_maps")]

METHODS = ("attention_rollout", "gradient_attention", "attention_grad_cam")
"""What transformers alone have."""

NEED_RELUS = ("deconvnet", "guided_backprop", "guided_grad_cam")
"""What these models do not have."""

SLOW = ("occlusion", "smooth_grad", "integrated_gradients")


@pytest.fixture(scope="module")
def captioner(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of an epoch of blip_scenes. Read only."""
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path_factory.mktemp('blip')}"]
    settings = [*SMALL_BLIP, *FIGURES, "trainer.precision=32-true", "trainer.check_val_every_n_epoch=1"]
    return run_door("train", "experiment=blip_scenes", *settings, *places, "objective.steps=1").folder


@pytest.fixture(scope="module")
def answering(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of an epoch of vilt_scenes. Read only."""
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path_factory.mktemp('vilt')}"]
    settings = [*SMALL_VILT, "trainer.check_val_every_n_epoch=1"]
    return run_door("train", "experiment=vilt_scenes", *settings, *places).folder


@pytest.mark.parametrize(("kind", "metric"), [("captioner", "test/CIDEr"), ("answering", "test/vqa_accuracy")])
def test_evaluate_gives_the_metrics_of_training(
    kind: str, metric: str, places: list[str], request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    ran = run_door("evaluate", f"ckpt={folder}", "logger=none", "trainer.enable_progress_bar=false", *places)
    found, own = (json.loads((one / "metrics.json").read_text()) for one in (ran.folder, folder))
    assert metric in found and all(found[name] == pytest.approx(own[name], abs=1e-6) for name in found.keys() & own)


@pytest.mark.parametrize("kind", ["captioner", "answering"])
def test_explain_draws_every_word_by_all_methods_that_apply(
    kind: str, data_dir: Path, tmp_path: Path, places: list[str], request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in sorted((data_dir / "scenes" / "test2017").iterdir())[:2]:
        (photos / photo.name).symlink_to(photo)
    asked = "caption='a red ball'" if kind == "captioner" else "question='what colour is the ball?'"
    without = [f"attribution.{name}=null" for name in SLOW]
    ran = run_door("explain", f"ckpt={folder}", f"image={photos}", asked, "attribution=all", *without, *places)
    content = json.loads((ran.folder / "explanations.json").read_text())
    assert {"lrp", "token_activation", *METHODS} < set(content["methods"])
    assert not set(NEED_RELUS) & set(content["methods"])
    (line,) = (line for line in ran.err.splitlines() if "left out" in line)
    assert "deconvnet, guided_backprop, guided_grad_cam (" in line and line.count(" has no ReLU ") == 1
    for record in content["explanations"]:
        maps, said = np.load(ran.folder / record["maps"]), len(record["words"])
        assert all(maps[name].shape == (said, SIZE, SIZE) for name in content["methods"])
        assert np.abs(maps["lrp"]).max() > 0
    ran = run_door("explain", f"ckpt={folder}", f"image={photos}", asked, "attribution=guided_backprop", *places)
    assert "guided_backprop: " in ran.error and " has no ReLU " in ran.error


def test_a_checkpoint_holds_the_words_of_the_data(captioner: Path) -> None:
    stored = torch.load(captioner / "checkpoints" / "best.ckpt", "cpu", weights_only=True)
    table = stored["state_dict"]["captioner.decoder.bert.embeddings.word_embeddings.weight"]
    assert len(stored["vocabulary"]) == len(table) and "ball" in stored["vocabulary"]


WITHOUT = [f"study.methods.{name}=null" for name in SLOW]

STUDIES = {
    "localization": ["study.images=6", *WITHOUT],
    "patch_ablation": ["study.words=2", "study.patches=4", "study.draws=2", *WITHOUT],
    "faithfulness": [
        *("study.words=2", "study.steps=2", "study.sanity.words=1", "study.sanity.stages=2", "study.sanity.draws=1"),
        *("study.by_magnitude=[guided_backprop, saliency]", *WITHOUT),
    ],
    "object_importance": ["study.images=2", "study.importance.inpainters.gan=null", *WITHOUT],
    "hallucination_auc": ["study.images=8", "study.more_than=0", "study.methods.occlusion=null"],
    "word_ablation": ["study.images=6", "study.first=3"],
}


@pytest.mark.parametrize("study", STUDIES)
def test_studies_leave_out_what_does_not_apply(study: str, captioner: Path, places: list[str]) -> None:
    said = ["decoding=greedy", f"decoding.filters=[{CHAIN}]", "split=train"]
    ran = run_door("evaluate", f"ckpt={captioner}", f"study={study}", "logger=none", *said, *STUDIES[study], *places)
    about = json.loads((ran.folder / f"{study}.json").read_text())
    names = {row.get("method", row.get("name")) for row in about["rows"]}
    assert {"lrp"} < names and not names & {*NEED_RELUS, "sentinel", "gradient"}
    out = [line for line in ran.err.splitlines() if "left out, since they" in line]
    assert len(out) == 1 and ("has no ReLU" in out[0] or "say nothing of the words" in out[0])
    if study in ("localization", "faithfulness", "patch_ablation"):
        assert set(METHODS) < names
    assert "By |relevance|: saliency." in ran.out or study != "faithfulness"


def test_a_method_that_others_are_compared_with_is_not_left_out(captioner: Path, places: list[str]) -> None:
    ran = run_door(
        *("evaluate", f"ckpt={captioner}", "study=patch_ablation", "logger=none", "decoding=greedy", "split=train"),
        *(f"decoding.filters=[{CHAIN}]", "study.against=guided_backprop", *STUDIES["patch_ablation"], *places),
    )
    assert "guided_backprop: Tower has no ReLU" in ran.error


def test_answers_are_compared_with_people(answering: Path, places: list[str]) -> None:
    given = ["study=human_attention", "study.questions=3", "logger=none", *WITHOUT]
    ran = run_door("evaluate", f"ckpt={answering}", *given, *places)
    names = {row["method"] for row in json.loads((ran.folder / "human_attention.json").read_text())["rows"]}
    assert {"lrp", *METHODS} < names and not names & set(NEED_RELUS)


@pytest.mark.parametrize("study", [*STUDIES, "hallucination", "support", "finetuning"])
def test_studies_of_captions_are_of_captioners(study: str, answering: Path, places: list[str]) -> None:
    ran = run_door("evaluate", f"ckpt={answering}", f"study={study}", "logger=none", *places)
    assert ran.error == f"error: study={study} is of captioners: give ckpt= the checkpoint of one"


def test_a_study_of_answers_is_of_vqa_models(captioner: Path, places: list[str]) -> None:
    ran = run_door("evaluate", f"ckpt={captioner}", "study=human_attention", "logger=none", *places)
    assert ran.error == "error: study=human_attention is of VQA models: give ckpt= the checkpoint of one"
