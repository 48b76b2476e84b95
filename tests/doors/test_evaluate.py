"""The door that evaluates."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from tests.running import FIGURES, SCENES, only, run_door
from whysaid.assemble.own_data import over_own

pytestmark = pytest.mark.usefixtures("plain_tokens")

BEAM, UNKNOWN = "whysaid.decoding.beam.Beam", "whysaid.decoding.filters.NoUnknown"

EVALUATION = (only("val", "CIDEr"), "metrics.test=${metrics.val}", "logger=none")


def metrics(folder: Path) -> dict[str, float]:
    return json.loads((folder / "metrics.json").read_text())


def predictions(folder: Path, split: str = "test") -> dict[int, str]:
    return {record["image_id"]: record["caption"] for record in json.loads(_predicted(folder, split).read_text())}


def _predicted(folder: Path, split: str) -> Path:
    return folder / f"predictions_{split}.json"


@pytest.fixture(scope="module")
def second(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another run on the same data: another architecture and seed."""
    outputs = tmp_path_factory.mktemp("second")
    model = ("model=adaptive", "seed=7", "trainer.max_epochs=2", *FIGURES)
    return run_door("train", *SCENES, *model, f"paths.data_dir={data_dir}", f"paths.output_dir={outputs}").folder


def evaluated(places: list[str], ckpt: str, *overrides: str) -> Path:
    return run_door("evaluate", *EVALUATION, *places, f"ckpt={ckpt}", *overrides).folder


def best(run: Path) -> str:
    return str(run / "checkpoints" / "best.ckpt")


def test_a_checkpoint_scores_what_its_run_tested(finished: Path, places: list[str], tmp_path: Path) -> None:
    folder = evaluated(places, best(finished))
    assert folder.parent == tmp_path / "outputs" / "evaluate"
    tested = {name: value for name, value in metrics(finished).items() if name.startswith("test/")}
    assert metrics(folder) == tested and "test/CIDEr" in tested
    assert predictions(folder) == predictions(finished)
    config = OmegaConf.load(folder / "config.yaml")
    assert config.data.min_count == 1 and config.decoding._target_ == "whysaid.decoding.greedy.Greedy"


def test_another_split_lends_the_metrics_its_name(finished: Path, places: list[str]) -> None:
    folder = evaluated(places, best(finished), "split=val")
    assert metrics(folder)["val/CIDEr"] == metrics(finished)["val/CIDEr"]
    assert not [name for name in metrics(folder) if name.startswith("test/")]
    assert len(predictions(folder, "val")) == 16 and not _predicted(folder, "test").exists()


def test_an_ensemble(finished: Path, second: Path, places: list[str]) -> None:
    twice = evaluated(places, f"[{best(finished)},{best(finished)}]")
    assert metrics(twice) == pytest.approx(metrics(evaluated(places, best(finished))), abs=1e-6)
    both = evaluated(places, f"[{best(finished)},{best(second)}]", "decoding=beam", "decoding.width=2")
    assert metrics(both).keys() == metrics(twice).keys()


def test_decoding_is_the_runs_own_unless_chosen(finished: Path, places: list[str]) -> None:
    folder = evaluated(places, best(finished), "decoding=greedy", "decoding.max_length=3")
    longest = max(len(caption.split()) for caption in predictions(folder).values())
    assert longest <= 3 < max(len(caption.split()) for caption in predictions(finished).values())
    changed = evaluated(places, best(finished), "decoding.max_length=3")
    assert predictions(changed) == predictions(folder)


def test_a_part_of_the_runs_decoding_may_change(finished: Path) -> None:
    wu, average = ({"_target_": f"whysaid.decoding.length_penalty.{name}"} for name in ("Wu", "Average"))
    own = {"decoding": {"_target_": "whysaid.decoding.beam.Beam", "width": 3, "length_penalty": {**wu, "alpha": 0.6}}}
    given = OmegaConf.create({"width": 5, "length_penalty": average, "filters": None})
    assert over_own("decoding", given, own) == {**own["decoding"], "width": 5, "length_penalty": average}
    chosen = OmegaConf.create({"_target_": "whysaid.decoding.greedy.Greedy", "max_length": 9})
    assert over_own("decoding", chosen, own) == chosen and over_own("decoding", None, own) == own["decoding"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"_target_": BEAM, "filters": []}, True),
        ({"_target_": BEAM, "filters": None}, True),
        ({"_target_": BEAM, "filters": [{"_target_": UNKNOWN}]}, False),
        ({"width": 5, "filters": []}, False),
    ],
)
def test_a_decoding_that_leaves_the_filters_of_the_run_out_says_so(
    given: dict[str, Any], told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"decoding": {"_target_": BEAM, "width": 3, "filters": [{"_target_": UNKNOWN}]}}
    over_own("decoding", OmegaConf.create(given), own)
    assert ("leaves its filters out (NoUnknown)" in caplog.text) == told


def test_a_contrast_goes_around_the_runs_own_decoding(
    finished: Path, second: Path, places: list[str], tmp_path: Path
) -> None:
    """With the mean that its training stored; an old checkpoint's is computed, which gives the same and is said."""
    contrast = ("decoding/contrast=vcd", "decoding.contrast.alpha=9", "decoding.contrast.beta=0")
    stored = evaluated(places, best(finished), *contrast)
    assert predictions(stored) != predictions(finished)
    old = tmp_path / "old.ckpt"
    content = torch.load(best(finished), weights_only=True)
    assert content.pop("mean_regions").shape == (36, 8) and content["config"]["decoding"].pop("contrast") is None
    torch.save(content, old)
    computed = evaluated(places, str(old), *contrast)
    assert predictions(computed) == predictions(stored)
    line = "holds no mean of its training features"
    assert line in (computed / "evaluate.log").read_text() and line not in (stored / "evaluate.log").read_text()
    both = f"[{best(finished)},{best(second)}]"
    assert predictions(evaluated(places, both, *contrast)) != predictions(evaluated(places, both))


@pytest.mark.parametrize("absent", ["grey", "noise", "masked"])
def test_every_picture_that_is_none(absent: str, finished: Path, places: list[str]) -> None:
    chosen = ("decoding/contrast=m3id", f"decoding/contrast/absent={absent}", "data.cache_features=false")
    assert predictions(evaluated(places, best(finished), *chosen, "decoding.contrast.fading=0.5"))


def test_data_that_were_moved(finished: Path, data_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(data_dir / "scenes", tmp_path / "elsewhere")
    checkpoint = torch.load(best(finished), "cpu", weights_only=True)
    checkpoint["config"]["data"]["root"] = checkpoint["config"]["data"]["source"]["root"] = "/gone/scenes"
    checkpoint["config"]["data"]["cache_dir"] = "/gone/cache"
    torch.save(checkpoint, tmp_path / "moved.ckpt")
    here = [f"paths.output_dir={tmp_path}/outputs", f"paths.data_dir={tmp_path}"]
    moved = [f"data.root={tmp_path}/elsewhere", f"data.cache_dir={tmp_path}/cache"]
    folder = evaluated(here, str(tmp_path / "moved.ckpt"), *moved)
    assert metrics(folder)["test/CIDEr"] == metrics(finished)["test/CIDEr"]


@pytest.mark.parametrize(
    "override", ["data.cache_features=true", "data.limits={test: 5}", "data.eval_batch_size=3"], ids=lambda o: o[5:12]
)
def test_how_the_data_are_read_may_change(finished: Path, places: list[str], override: str) -> None:
    folder = evaluated(places, best(finished), override)
    written, before = predictions(folder), predictions(finished)
    assert len(written) == (5 if "limits" in override else 16)
    same = sum(written[i] == before[i] for i in written)
    assert same >= len(written) - 2  # float16 features may turn a word


def test_the_training_split(finished: Path, places: list[str]) -> None:
    assert len(predictions(evaluated(places, best(finished), "split=train"), "train")) == 48


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["ckpt=nowhere.ckpt"], "there is no checkpoint nowhere.ckpt"),
        (["split=valid"], "there is no split 'valid'"),
        (["decoding.width=5"], "know no width: leave decoding.width out"),
        ([], "ckpt"),
    ],
)
def test_what_cannot_be_evaluated(
    finished: Path,
    places: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    own = [f"ckpt={best(finished)}"] if overrides else []
    assert message in run_door("evaluate", *EVALUATION, *places, *own, *overrides).error
