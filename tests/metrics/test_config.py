from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

CONF = str(Path(__file__).parents[2] / "conf")


def composed(*overrides):
    with initialize_config_dir(CONF, version_base="1.3"):
        return compose(overrides=[*overrides, "+paths={data_dir: data}"])


def names(metrics):
    return {name for metric in metrics for name in metric.names}


@pytest.mark.parametrize("embedder", ["minilm", "bert"])
def test_captioning(embedder):
    config = composed("+metrics=captioning", f"+embedder={embedder}").metrics
    assert {"BLEU-4", "CIDEr", "bad_endings", "length", "vocabulary"} == names(instantiate(config.val)) - {
        "BLEU-1",
        "BLEU-2",
        "BLEU-3",
    }
    expected = {"METEOR", "SPICE", "ROUGE-L", "BERTScore-F1", "CHAIRs", "CHAIRi", "object_mAP", "object_precision"}
    assert expected <= names(instantiate(config.test))


def test_minilm_scores():
    config = composed("+metrics=captioning", "+embedder=minilm")
    (bertscore,) = [m for m in instantiate(config.metrics.test) if "BERTScore-F1" in m.names]
    assert bertscore({1: "a dog", 2: "a cat"}, {1: ["a dog"], 2: ["a cat"]})["BERTScore-F1"].corpus == pytest.approx(
        1, abs=1e-5
    )


def test_scenes_knows_its_own_objects():
    words = pytest.importorskip("src.data.scenes.objects").OBJECT_WORDS
    config = composed("+metrics=scenes", "+embedder=minilm")
    (hallucination,) = [m for m in instantiate(config.metrics.test) if "CHAIRs" in m.names]
    for category, forms in words.items():
        for form in forms:
            assert hallucination.object_words.mentioned(f"a {form} there") == [category]


def test_spice_names_the_fetch():
    from src.metrics.spice import fetch_corenlp

    config = composed("+metrics=spice").metrics
    assert instantiate(config, _partial_=True).func is fetch_corenlp
