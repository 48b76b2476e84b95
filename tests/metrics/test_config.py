"""The metrics that the doors compose."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from tests.running import composed
from whysaid.data.scenes.objects import OBJECT_WORDS
from whysaid.metrics.score import Metric, chosen_metrics
from whysaid.metrics.spice import fetch_corenlp

CHAIR = {"CHAIRs", "CHAIRi", "object_mAP", "object_precision", "object_recall"}
CHAIR |= {"object_mAP_words", "objects_never_predicted"}
QUICK = {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr", "bad_endings", "length", "vocabulary"} | CHAIR
FULL = QUICK | {"METEOR", "ROUGE-L", "BERTScore-P", "BERTScore-R", "BERTScore-F1"}


def names(metrics: list[Metric]) -> set[str]:
    return {name for metric in metrics for name in metric.names}


def metrics(folder: Path, *overrides: str) -> DictConfig:
    return composed("train", folder, *overrides).metrics


@pytest.mark.parametrize("embedder", ["minilm", "bert"])
def test_photos_are_scored_by_everything(embedder: str, tmp_path: Path) -> None:
    config = metrics(tmp_path, "experiment=gridtd_coco", f"embedder={embedder}")
    assert names(chosen_metrics(instantiate(config.val))) == QUICK
    assert names(chosen_metrics(instantiate(config.test))) == FULL | {"SPICE", "ALOHa"}


def test_scenes_are_scored_by_everything_that_is_quick(tmp_path: Path) -> None:
    config = metrics(tmp_path, "experiment=gridtd_scenes")
    assert names(chosen_metrics(instantiate(config.test))) == FULL


def test_minilm_scores(tmp_path: Path) -> None:
    config = metrics(tmp_path, "experiment=gridtd_coco")
    (bertscore,) = [m for m in chosen_metrics(instantiate(config.test)) if "BERTScore-F1" in m.names]
    score = bertscore({1: "a dog", 2: "a cat"}, {1: ["a dog"], 2: ["a cat"]})["BERTScore-F1"]
    assert score.corpus == pytest.approx(1, abs=1e-5)


def test_scenes_know_their_own_objects(tmp_path: Path) -> None:
    config = metrics(tmp_path, "experiment=gridtd_scenes")
    (hallucination,) = [m for m in chosen_metrics(instantiate(config.test)) if "CHAIRs" in m.names]
    for category, forms in OBJECT_WORDS.items():
        for form in forms:
            assert hallucination.object_words.mentioned(f"a {form} there") == [category]


def test_spice_names_the_fetch() -> None:
    with initialize_config_dir(str(Path(__file__).parents[2] / "conf"), version_base="1.3"):
        config = compose(overrides=["+metrics=spice"]).metrics
    assert instantiate(config, _partial_=True).func is fetch_corenlp


def test_one_metric_is_left_out_by_name(tmp_path: Path) -> None:
    config = metrics(tmp_path, "experiment=gridtd_coco", "metrics.test.SPICE=null", "metrics.test.METEOR=null")
    assert names(chosen_metrics(instantiate(config.test))) == (FULL | {"ALOHa"}) - {"METEOR"}
