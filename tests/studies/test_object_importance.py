"""Object importance: the study through the door that evaluates, one's own photos through the one that explains."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.counterfactual.test_importance import CAT, DOG, OBJECTS, importance, photo, writer
from tests.running import COUNTS, SIZE, Ran, run_door
from tests.studies.planted import PATCHES, one_patch
from whysaid.assemble.inpainting import TrainedInpainter
from whysaid.attribution.method import Explanation
from whysaid.attribution.targets import Targets
from whysaid.counterfactual.importance import Importance
from whysaid.counterfactual.recaption import Recaption
from whysaid.data.batch import CaptionBatch
from whysaid.data.instances import Instance, Instances
from whysaid.data.scenes.scene import locate
from whysaid.data.scenes.world import scene
from whysaid.data.vocabulary import END
from whysaid.errors import UserError
from whysaid.metrics.sentences import SentenceEmbedder
from whysaid.models.captioner import Captioner
from whysaid.models.detector import PUBLISHED, MaskRCNN
from whysaid.models.inpainting.generator import Generator
from whysaid.studies.object_importance.study import ObjectImportance

ORACLE = (
    "study.importance.inpainters.gan=null",
    "study.importance.inpainters.biharmonic=null",
    f"+study.importance.inpainters.oracle={{_target_: tests.studies.oracle.Oracle, split: test, "
    f"count: {COUNTS['test']}, size: {SIZE}}}",
)
KEPT = ("lrp", "grad_cam")
METHODS = [
    f"study.methods.{name}=null"
    for name in (
        "attention",
        "attention_rollout",
        "gradient_attention",
        "attention_grad_cam",
        "saliency",
        "input_x_gradient",
        "deconvnet",
        "guided_backprop",
        "guided_grad_cam",
        "integrated_gradients",
        "smooth_grad",
        "occlusion",
        "token_activation",
    )
]


@pytest.fixture
def evaluate(finished: Path, places: list[str]) -> Callable[..., Ran]:
    """The door, opened on the finished run."""
    options = (f"ckpt={finished}/checkpoints/best.ckpt", "study=object_importance", "decoding=greedy", "logger=none")
    return lambda *more: run_door("evaluate", *places, *options, *METHODS, "study.images=6", *more)


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a generator that has learned nothing."""
    generator = {"_target_": "whysaid.models.inpainting.generator.Generator", "widths": [2, 2, 4], "dilations": [2]}
    weights = Generator([2, 2, 4], [2]).state_dict()
    path = tmp_path_factory.mktemp("gan") / "best.ckpt"
    config = {"assemble": "whysaid.assemble.inpainting", "model": {"generator": generator}, "data": {}}
    torch.save({"state_dict": {f"average.module.{name}": w for name, w in weights.items()}, "config": config}, path)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_inpainter_that_knows_the_truth(evaluate: Callable[..., Ran]) -> None:
    ran = evaluate(*ORACLE)
    rows = {row["name"]: row for row in read(ran.folder / "object_importance.csv")}
    assert list(rows) == ["truth", "mean_fill", "oracle", *KEPT, "area"]
    oracle = {name: float(rows["oracle"][name]) for name in ("rho_drop", "rho_drop_low", "rho_drop_high")}
    assert all(value == pytest.approx(1, abs=1e-9) for value in oracle.values())
    assert float(rows["mean_fill"]["rho_drop"]) < 1
    assert rows["oracle"]["drop"] == rows["truth"]["drop"] != rows["mean_fill"]["drop"]
    assert -1 <= float(rows["lrp"]["rho_drop"]) <= 1 and rows["lrp"]["drop"] == rows["truth"]["rho_drop"] == ""
    metrics = json.loads((ran.folder / "metrics.json").read_text())
    assert metrics["test/importance_rho_drop_oracle"] == pytest.approx(1, abs=1e-9)
    assert metrics["test/importance_rho_drop_area"] == pytest.approx(metrics["test/importance_area_drop_truth"])
    for name in ("object_importance", "object_importance_attention", "object_importance_trust"):
        with Image.open(ran.folder / f"{name}.png") as picture:
            assert picture.width > 300


def test_every_object_has_a_row(evaluate: Callable[..., Ran]) -> None:
    folder = evaluate(*ORACLE, "study.importance.largest=0.08", "study.importance.smallest=0.05").folder
    rows = read(folder / "object_importance_objects.csv")
    about = json.loads((folder / "object_importance.json").read_text())
    assert len(about["objects"]) == len(rows)
    for image_id in {int(row["image_id"]) for row in rows}:
        things = [thing.name for thing in scene(0, *locate(image_id), SIZE).objects]
        assert [row["object"] for row in rows if int(row["image_id"]) == image_id] == things
    assert len({row["image_id"] for row in rows}) == 6
    for row in rows:
        area = float(row["area"])
        assert row["skipped"] == ("too small" if area < 0.05 else "too large" if area > 0.08 else "")
        assert bool(row["without_oracle"]) == bool(row["drop_truth"]) == bool(row["mass_lrp"]) == (not row["skipped"])
        if not row["skipped"]:
            assert row["without_oracle"] == row["without_truth"] and 0 <= float(row["mass_lrp"]) <= 1
    assert {"too small", "too large", ""} == {row["skipped"] for row in rows}
    assert f"{sum(row['skipped'] == 'too small' for row in rows)} too small" in about["notes"][1]


def test_a_data_set_without_annotations(evaluate: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its objects are found by the detector; here one that finds the upper left corner."""
    corner = Instance(7, "corner", (0, 0, 12, 12), (SIZE, SIZE), [[0, 0, 12, 0, 12, 12, 0, 12]])
    monkeypatch.setattr("whysaid.studies.object_importance.study.read_instances", lambda images: Instances())
    monkeypatch.setattr(
        "whysaid.studies.object_importance.study.Scenes", type("Elsewhere", (), {})
    )  # where truth is not known
    monkeypatch.setattr(MaskRCNN, "__call__", lambda *_: [corner])
    some = ["study.importance.inpainters.gan=null", "study.importance.inpainters.biharmonic=null", "study.images=3"]
    folder = evaluate(*some, *(f"study.methods.{name}=null" for name in KEPT)).folder
    rows = read(folder / "object_importance_objects.csv")
    assert [row["object"] for row in rows] == ["corner"] * 3
    assert [float(row["area"]) for row in rows] == pytest.approx([(12 / SIZE) ** 2] * 3)
    assert [row["name"] for row in read(folder / "object_importance.csv")] == ["mean_fill", "area"]


def test_a_gan_by_its_checkpoint(evaluate: Callable[..., Ran], gan: Path) -> None:
    ran = evaluate(f"inpainter={gan}", "study.images=2", *(f"study.methods.{name}=null" for name in KEPT))
    rows = {row["name"]: row for row in read(ran.folder / "object_importance.csv")}
    assert list(rows) == ["truth", "gan", "mean_fill", "biharmonic", "area"]
    assert float(rows["gan"]["distance"]) >= 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "give its checkpoint as inpainter=PATH"),
        (["inpainter=nowhere.ckpt"], "there is no checkpoint nowhere.ckpt"),
        (["study.importance.smallest=0.24"], "no photo has an object that can be removed"),
        (["study.importance.largest=0"], "0 ≤ 0.003"),
        (["data.cache_features=true"], "this study explains pixels"),
    ],
)
def test_what_cannot_be_weighed(evaluate: Callable[..., Ran], more: list[str], message: str) -> None:
    assert message in evaluate(*more).error


def test_a_captioner_is_no_inpainter(evaluate: Callable[..., Ran], finished: Path) -> None:
    assert "no weights of a generator" in evaluate(f"inpainter={finished}/checkpoints/best.ckpt").error


def test_only_captioners_are_asked() -> None:
    study = ObjectImportance(Importance({"any": torch.add}, SentenceEmbedder("unused")))
    with pytest.raises(UserError, match="give ckpt= a captioner's checkpoint"):
        study(torch.nn.Identity(), None, Path())  # type: ignore[arg-type]


# One's own photo

EXPLAIN = ("importance=true", "~attribution", "decoding=greedy")


@pytest.fixture
def explain(finished: Path, places: list[str]) -> Callable[..., Ran]:
    ckpt = f"ckpt={finished}/checkpoints/best.ckpt"
    return lambda image, *more: run_door("explain", *places, ckpt, f"image={image}", *EXPLAIN, *more)


def test_the_objects_of_an_annotated_photo(explain: Callable[..., Ran], data_dir: Path, gan: Path) -> None:
    photo = sorted((data_dir / "scenes" / "test2017").glob("*.png"))[0]
    ran = explain(photo, f"inpainter={gan}")
    (record,) = json.loads((ran.folder / "explanations.json").read_text())["explanations"]
    things = scene(0, *locate(int(photo.stem)), SIZE).objects
    assert [part["object"] for part in record["objects"]] == [thing.name for thing in things]
    for part in record["objects"]:
        assert set(part["without"]) == {"gan"} and part["without"]["gan"]["distance"] >= 0
        assert part["caption"] == record["caption"] and part["skipped"] is None
    assert {f"figures/{photo.stem}_importance.png", f"figures/{photo.stem}_importance_attention.png"} <= set(
        record["figures"]
    )
    rows = read(ran.folder / "importance.csv")
    assert [(row["object"], row["without_gan"]) for row in rows] == [
        (part["object"], part["without"]["gan"]["caption"]) for part in record["objects"]
    ]
    assert {row["image"] for row in rows} == {str(photo)} and all(float(row["drop_gan"]) for row in rows)
    report = (ran.folder / "report.html").read_text()
    assert report.count('"outline":"data:image/png') == 1 and '"without":["data:image/jpeg' in report


def test_what_a_detector_finds(explain: Callable[..., Ran], tmp_path: Path, gan: Path) -> None:
    """With random weights and no threshold it finds anything, of any size."""
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(tmp_path / "own.png")
    chosen = ["detector.weights=null", "detector.least=0", "detector.shorter_side=32", "counterfactual.largest=0.1"]
    ran = explain(tmp_path / "own.png", f"inpainter={gan}", *chosen)
    (record,) = json.loads((ran.folder / "explanations.json").read_text())["explanations"]
    objects = record["objects"]
    assert objects and {part["object"] for part in objects} <= set(PUBLISHED.meta["categories"])
    for part, row in zip(objects, read(ran.folder / "importance.csv"), strict=True):
        reason = "too small" if part["area"] < 0.003 else "too large" if part["area"] > 0.1 else None
        assert part["skipped"] in (reason, "no outline") and (row["skipped"] or None) == part["skipped"]
        assert bool(part["without"]) == bool(row["without_gan"]) == (part["skipped"] is None)
    assert {part["skipped"] for part in objects} >= {None, "too large"}


def test_a_photo_in_which_nothing_is_found(explain: Callable[..., Ran], tmp_path: Path, gan: Path) -> None:
    Image.new("RGB", (60, 40), "gray").save(tmp_path / "own.png")
    chosen = ["detector.weights=null", "detector.least=1", "detector.shorter_side=32"]
    folder = explain(tmp_path / "own.png", f"inpainter={gan}", *chosen).folder
    (record,) = json.loads((folder / "explanations.json").read_text())["explanations"]
    assert record["objects"] == [] and not any("importance" in name for name in record["figures"])
    assert not (folder / "importance.csv").exists() and '"parts":[]' in (folder / "report.html").read_text()


def test_a_photo_that_nobody_annotated(explain: Callable[..., Ran], tmp_path: Path, gan: Path) -> None:
    """Without weights, or without a detector, there is one line."""
    Image.new("RGB", (60, 40)).save(tmp_path / "own.png")
    error = explain(tmp_path / "own.png", f"inpainter={gan}", "detector.weights=nowhere.pth").error
    assert "set detector.weights to coco" in error
    assert "choose detector=mask_rcnn" in explain(tmp_path / "own.png", f"inpainter={gan}", "~detector").error


def test_importance_needs_an_inpainter(explain: Callable[..., Ran], data_dir: Path) -> None:
    photo = sorted((data_dir / "scenes" / "test2017").glob("*.png"))[0]
    assert "give its checkpoint as inpainter=PATH" in explain(photo).error


def test_a_trained_inpainter_leaves_all_else_as_it_was(gan: Path) -> None:
    images, masks = torch.rand(1, 3, 16, 24), torch.zeros(1, 1, 16, 24)
    masks[..., 4:9, 6:12] = 1
    filled = TrainedInpainter(str(gan))(images, masks)
    known = (masks == 0).expand_as(images)
    torch.testing.assert_close(filled[known], images[known])
    assert filled.min() >= 0 and filled.max() <= 1 and not torch.allclose(filled[~known], images[~known])


class Looks:
    """Of the word `cat` half in the first patch and half in the second; of any other in the last."""

    def attribute(self, model: Captioner, batch: CaptionBatch | torch.Tensor, targets: Targets) -> Explanation:
        cat = torch.stack([one_patch(0) + one_patch(1), one_patch(PATCHES - 1)])
        tokens = targets.tokens[:, targets.places]
        pixels = cat[(tokens != CAT).long()].unsqueeze(2)
        nothing = torch.zeros(*tokens.shape, 1)
        return Explanation(pixels, nothing, nothing, nothing)


def test_the_share_of_relevance_that_lies_on_each_object() -> None:
    """Of the words that say something: what `a` rests on does not count, unless there is nothing else."""
    study = ObjectImportance(importance(), {"looks": Looks()})
    for words, shares in ((["a", "cat"], [0.5, 0.0]), (["a"], [0.0, 1.0])):
        effects = importance()(writer(), photo(), OBJECTS)
        tokens = torch.tensor([{"a": DOG, "cat": CAT}[word] for word in words] + [END])
        effects.original = Recaption(tokens, words, np.zeros((len(words), PATCHES)), 0.0)
        assert [mass["looks"] for mass in study._masses(writer().captioner, effects)] == pytest.approx(shares)
