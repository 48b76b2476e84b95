"""Heat maps of validation images, by themselves and in a run."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from PIL import Image
from pytorch_lightning.trainer.states import TrainerFn

from tests.attribution.tiny import lrp
from tests.running import SCENES, trained, without_java
from tests.wandb_file import read_history, read_records
from whysaid.attribution.method import Method
from whysaid.attribution.targets import Targets
from whysaid.callbacks import first_images
from whysaid.callbacks.heat_maps import HeatMaps
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.object_words import coco_objects
from whysaid.data.vocabulary import SPECIALS, Vocabulary
from whysaid.errors import UserError
from whysaid.figures.marks import HALLUCINATED
from whysaid.figures.overlay import overlay, soften
from whysaid.models.adaptive import Adaptive
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.scenes_cnn import ScenesCNN

VOCABULARY = Vocabulary([*SPECIALS, "a", "dog", "cat", "on"])
CAPTIONS = {7: "a dog on a cat", 8: "dog", 9: ""}
SIDE = 16


def captioner(encoder: Encoder | None = None) -> Adaptive:
    torch.manual_seed(0)
    return Adaptive(encoder or ScenesCNN([2, 4], image_size=SIDE), len(VOCABULARY), 8, 8, 8)


def batch(model: Adaptive, features: bool = False) -> CaptionBatch:
    images = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    ids, captions = torch.tensor([7, 8, 9]), torch.zeros(3, 1, 2, dtype=torch.int64)
    if not features:
        return CaptionBatch(ids, captions, images)
    with torch.no_grad():
        return CaptionBatch(ids, captions, regions=model.eval().encoder(images).values.half())


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer in validation, a captioner, and the figures that are logged."""
    for i in CAPTIONS:
        Image.new("RGB", (SIDE, SIDE), "white").save(tmp_path / f"{i}.png")
    images = [CaptionedImage(i, tmp_path / f"{i}.png", ()) for i in CAPTIONS]
    trainer = SimpleNamespace(
        is_global_zero=True,
        sanity_checking=False,
        current_epoch=0,
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        datamodule=SimpleNamespace(
            images=lambda split: images,
            references=lambda split: {7: ["a dog sleeps"], 8: [], 9: []},
            object_words=coco_objects(),
        ),
    )
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(first_images, "log_figures", lambda trainer, name, figures, folder: logged.append(figures))
    model = captioner()
    module = SimpleNamespace(captioner=model, encoder=model.encoder, vocabulary=VOCABULARY)
    return SimpleNamespace(trainer=trainer, module=module, logged=logged, folder=str(tmp_path))


def validate(
    scene: Any, validated: CaptionBatch | None = None, method: Method | None = None, **settings: Any
) -> dict[str, Any]:
    validated = validated or batch(scene.module.captioner)
    callback = HeatMaps(scene.folder, method or lrp(), **settings)
    callback.on_validation_batch_end(scene.trainer, scene.module, {"captions": CAPTIONS}, validated, 0)
    return scene.logged[-1]


def panels(figure: Any) -> list[Any]:
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_they_are_those_of_the_method(scene: Any) -> None:
    figures = validate(scene, same_range=True)
    assert list(figures) == ["heat_maps_7", "heat_maps_8"]
    tokens = torch.tensor([VOCABULARY.encode(CAPTIONS[7].split())[1:-1]])
    images = batch(scene.module.captioner).images
    assert images is not None
    expected = lrp().attribute(scene.module.captioner, images[:1], Targets(tokens)).pixels
    assert expected is not None
    maps = soften(expected[0].sum(1).numpy())
    white = np.ones((SIDE, SIDE, 3))
    for drawn, heat in zip(panels(figures["heat_maps_7"])[1:], maps, strict=True):
        np.testing.assert_allclose(drawn, overlay(white, heat, True, np.abs(maps).max()), atol=1e-5)


def test_the_method_says_whether_anything_may_speak_against_a_word(scene: Any) -> None:
    white = np.ones((SIDE, SIDE, 3))
    for signed in (True, False):

        class Constant:
            def attribute(self, model: Any, batch: Any, targets: Targets) -> Any:
                explanation = lrp().attribute(model, batch, targets)
                return replace(explanation, pixels=torch.ones_like(explanation.pixels))

        Constant.signed = signed  # type: ignore[attr-defined]
        drawn = panels(validate(scene, method=Constant())["heat_maps_7"])[1]
        np.testing.assert_allclose(drawn, overlay(white, np.ones((SIDE, SIDE)), signed), atol=1e-5)


def test_method_model_and_caption_stand_above(scene: Any) -> None:
    shown = [text.get_text() for text in validate(scene)["heat_maps_7"].texts]
    assert "LRP, what each word rests on: Adaptive, image 7" in shown
    assert {"a dog on a", "cat", "LRP of the image", HALLUCINATED.text} <= set(shown)
    assert any(text.startswith("bar: the word's share of all LRP") for text in shown)


def test_inference_mode_and_autocast_change_nothing(scene: Any) -> None:
    """Lightning validates in both; what the callback is given was made there."""
    plain = panels(validate(scene)["heat_maps_7"])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        inside = panels(validate(scene, batch(scene.module.captioner))["heat_maps_7"])
    assert np.ptp(plain[1] - np.ones(3)) > 0.1  # there is something to see
    np.testing.assert_array_equal(plain, inside)


def test_it_leaves_no_trace(scene: Any) -> None:
    model, random = scene.module.captioner, torch.get_rng_state()
    model.train()
    model.encoder.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    validate(scene)
    assert model.training and not model.encoder.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_stored_features_show_relevance_of_regions(scene: Any) -> None:
    figures = validate(scene, batch(scene.module.captioner, features=True))
    assert len(panels(figures["heat_maps_7"])) == 6
    assert np.ptp(panels(figures["heat_maps_7"])[1]) > 0.1


def test_first_words_alone(scene: Any) -> None:
    assert len(panels(validate(scene, words=2)["heat_maps_7"])) == 3


def test_images_that_are_not_asked_for_are_not_explained(scene: Any) -> None:
    sizes: list[int] = []

    class Counting:
        def attribute(self, model: Any, batch: Any, targets: Targets) -> Any:
            sizes.append(len(batch))
            return lrp().attribute(model, batch, targets)

    validate(scene, method=Counting(), images=1)
    assert sizes == [1]


def test_a_method_that_fails_is_reported_once_and_costs_no_run(scene: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def attribute(self, *_: Any) -> Any:
            raise UserError("relevance is not finite")

    callback = HeatMaps(scene.folder, Failing(), every_n_epochs=1)
    validated = batch(scene.module.captioner)
    with caplog.at_level(logging.WARNING):
        for scene.trainer.current_epoch in (0, 1):
            callback.on_validation_batch_end(scene.trainer, scene.module, {"captions": CAPTIONS}, validated, 0)
    assert [record.getMessage() for record in caplog.records] == ["heat maps are not drawn: relevance is not finite"]
    assert scene.logged == [{}, {}]


def test_empty_captions_have_no_maps(scene: Any) -> None:
    callback = HeatMaps(scene.folder, lrp())
    written = dict.fromkeys(CAPTIONS, "")
    callback.on_validation_batch_end(
        scene.trainer, scene.module, {"captions": written}, batch(scene.module.captioner), 0
    )
    assert scene.logged == [{}]


def test_regions_without_a_grid_are_skipped_with_one_line(scene: Any, caplog: pytest.LogCaptureFixture) -> None:
    validated = batch(scene.module.captioner)
    scene.module.encoder = RegionFeatures(8)
    callback = HeatMaps(scene.folder, lrp())
    with caplog.at_level(logging.INFO):
        callback.setup(scene.trainer, scene.module, "fit")
    callback.on_validation_batch_end(scene.trainer, scene.module, {"captions": CAPTIONS}, validated, 0)
    assert [r.getMessage() for r in caplog.records] == [
        "heat_maps is not drawn: the regions of RegionFeatures have no grid"
    ]
    assert scene.logged == []


@pytest.fixture(scope="module")
def run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The run directory of two epochs in mixed precision, logged to W&B."""
    root = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as environment, without_java():
        for name, value in {"WANDB_MODE": "", "WANDB_DATA_DIR": f"{root}/staged", "WANDB_SILENT": "true"}.items():
            environment.setenv(name, value)
        environment.delenv("WANDB_MODE")  # set before, so that what the logger sets is undone
        trained(
            root / "out",
            *SCENES,
            f"paths.data_dir={data_dir}",
            "logger=wandb",
            "trainer.precision=bf16-mixed",
            "trainer.max_epochs=2",
            "trainer.check_val_every_n_epoch=1",
            "callbacks.attention=null",
            "callbacks.captions=null",
            "test=false",
        )
        wandb.finish()
    yield root / "out"


def test_they_are_in_the_run_and_in_its_wandb_file(run: Path) -> None:
    (path,) = run.glob("wandb/offline-run-*/*.wandb")
    rows = [row for row in read_history(list(read_records(path))) if "val/heat_maps/filenames" in row]
    assert len(rows) == 1, "every second epoch"
    (names,) = [row["val/heat_maps/filenames"] for row in rows]
    assert len(names) == 2
    for name in names:
        (file,) = run.glob(f"wandb/offline-run-*/files/{name}")
        assert Image.open(file).width <= 1600 and file.stat().st_size < 500_000
    assert {name.stem for name in run.glob("figures/*.png")} == set(rows[0]["val/heat_maps/captions"])
    assert "heat maps are not drawn" not in "".join(log.read_text() for log in run.glob("*.log"))
