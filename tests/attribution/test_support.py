"""The support of named objects: its evidence, its regression, its file, and the words it is of."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from tests.attribution.tiny import captioner, captions, lrp, photos
from whysaid.attribution.method import Explanation
from whysaid.attribution.support.evidence import (
    CONTRAST,
    LOG_P,
    RELEVANCE,
    largest_relevance,
    read_evidence,
    without_picture,
)
from whysaid.attribution.support.logistic import Logistic, fit_logistic
from whysaid.attribution.support.support import Support, beside, by_key, captioner_key, find_support, read_support
from whysaid.attribution.support.words import ObjectSupport, doubtful_words, warning
from whysaid.attribution.targets import Targets
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.models.encoders.scenes_cnn import ScenesCNN

MODEL = captioner("gridtd", ScenesCNN((4, 6), 8).double()).eval()
FULL, SHORT = (LOG_P, CONTRAST), (LOG_P,)
SUPPORT = Support("key", {FULL: Logistic([1.0, 2.0], 0.5), SHORT: Logistic([3.0], 0.0)}, {"words": 7})


@pytest.fixture
def known_mean(monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    with torch.no_grad():
        mean: torch.Tensor = MODEL.encoder(photos(8)).values.mean(0)
    monkeypatch.setattr(MODEL, "mean_regions", mean)
    return mean


def test_log_p_entropy_and_contrast_are_those_of_teacher_forcing(known_mean: torch.Tensor) -> None:
    tokens = captions()
    with torch.no_grad():
        features = MODEL.encode(photos(8))
        log_p = MODEL.unroll(Targets(tokens).inputs(), features).logits.log_softmax(-1)
        absent = MODEL.project(known_mean.expand(len(tokens), -1, -1))
        without = MODEL.unroll(Targets(tokens).inputs(), absent).logits.log_softmax(-1)
    reading = read_evidence(MODEL, features, tokens)
    own, none = (values.gather(2, tokens[..., None]).squeeze(2) for values in (log_p, without))
    torch.testing.assert_close(reading.log_p, own)
    torch.testing.assert_close(reading.contrast, own - none)
    torch.testing.assert_close(reading.entropy, torch.distributions.Categorical(logits=log_p).entropy())
    assert len(without_picture(MODEL)) == 1
    row = reading.of_row(1)
    np.testing.assert_allclose(row[LOG_P], own[1])
    np.testing.assert_allclose(row[CONTRAST], (own - none)[1])


def test_without_the_mean_picture_there_is_no_contrast() -> None:
    reading = read_evidence(MODEL, MODEL.encode(photos(8)), captions())
    assert reading.contrast is None and reading.of_row(0)[CONTRAST] is None


def test_the_largest_relevance_is_of_the_raw_map_with_its_colours_added() -> None:
    pixels = torch.zeros(1, 2, 3, 2, 2)
    pixels[0, 0, :, 1, 0], pixels[0, 1, :, 0, 0] = torch.tensor([3.0, -1.0, 2.0]), -1.0
    regions = torch.tensor([[[0.5, 7.0], [0.0, -2.0]]])
    explanation = Explanation(pixels, regions, torch.zeros(1, 2, 2), torch.zeros(1, 2))
    np.testing.assert_allclose(largest_relevance(explanation), np.log([[5.0, 1.0]]))
    explanation.pixels = None
    np.testing.assert_allclose(largest_relevance(explanation), np.log([[8.0, 1.0]]))


def test_the_regression_finds_the_weights_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(40_000, 2)) * [1, 10] + [3, -2]
    labels = rng.random(len(scores)) < expit(scores @ [1.5, -0.1] - 4)
    fitted = fit_logistic(scores, labels)
    np.testing.assert_allclose([*fitted.weights, fitted.bias], [1.5, -0.1, -4], atol=0.12)
    np.testing.assert_allclose(fitted(scores).mean(), labels.mean(), atol=1e-3)


def test_the_penalty_is_on_standardised_scores_and_not_on_the_bias() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(60, 2)), rng.random(60) < 0.8
    small, large = fit_logistic(scores, labels, 5.0), fit_logistic(scores * 1000 + 7, labels, 5.0)
    np.testing.assert_allclose(small(scores), large(scores * 1000 + 7), atol=1e-6)
    flat = fit_logistic(scores, labels, 1e9)
    np.testing.assert_allclose(flat(scores), labels.mean(), atol=1e-6)
    constant = fit_logistic(np.ones((60, 1)), labels)
    np.testing.assert_allclose(constant(np.ones((1, 1))), labels.mean(), atol=1e-6)


def test_scores_that_part_the_labels_leave_finite_weights() -> None:
    scores = np.linspace(-1, 1, 20)[:, None]
    fitted = fit_logistic(scores, scores[:, 0] > 0)
    assert np.isfinite(fitted.weights).all() and (fitted(scores) > 0.5).tolist() == (scores[:, 0] > 0).tolist()


def test_the_regression_of_the_most_evidence_is_taken() -> None:
    log_p, contrast = np.array([-1.0, -0.5]), np.array([0.3, 0.1])
    np.testing.assert_allclose(SUPPORT({LOG_P: log_p, CONTRAST: contrast}), expit(log_p + 2 * contrast + 0.5))
    np.testing.assert_allclose(SUPPORT({LOG_P: log_p, CONTRAST: None, RELEVANCE: contrast}), expit(3 * log_p))
    with pytest.raises(UserError, match="support needs log_p; only contrast is known"):
        SUPPORT({CONTRAST: contrast, RELEVANCE: None})


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    SUPPORT.write(tmp_path / "best.support.json")
    assert read_support(tmp_path / "best.support.json") == SUPPORT
    assert beside(tmp_path / "best.ckpt") == tmp_path / "best.support.json"


def test_it_is_found_beside_the_checkpoint_or_by_the_captioners_key(tmp_path: Path) -> None:
    words, ckpt, folder = ["a", "b"], tmp_path / "run" / "best.ckpt", tmp_path / "cache"
    ckpt.parent.mkdir()
    folder.mkdir()
    own = Support(captioner_key(MODEL, words), SUPPORT.regressions)
    assert find_support(MODEL, words, ckpt, folder) is None
    own.write(by_key(folder, own.captioner))
    assert find_support(MODEL, words, ckpt) is None and find_support(MODEL, words, ckpt, folder) == own
    own.write(beside(ckpt))
    assert find_support(MODEL, words, ckpt) == own
    with pytest.raises(UserError, match="is missing"):
        find_support(MODEL, words, ckpt, file=tmp_path / "nothing.json")


def test_the_support_of_another_captioner_is_refused(tmp_path: Path) -> None:
    words, ckpt = ["a", "b"], tmp_path / "best.ckpt"
    for key in (captioner_key(MODEL, ["a", "c"]), captioner_key(captioner("soft", MODEL.encoder), words)):
        Support(key, SUPPORT.regressions).write(beside(ckpt))
        with pytest.raises(UserError, match=r"best\.support\.json is the support of another captioner than"):
            find_support(MODEL, words, ckpt)
    changed = captioner_key(MODEL, words)
    weight = MODEL.embedding.weight.data
    weight[0, 0] += 1
    assert captioner_key(MODEL, words) != changed
    weight[0, 0] -= 1


@pytest.mark.parametrize("content", ["[]", '{"captioner": "x", "fitted": {}, "regressions": []}', '{"captioner": "x"}'])
def test_a_file_that_is_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.support.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="is not laid out as such a file is"):
        read_support(path)
    broken = json.dumps({"captioner": "x", "fitted": {}, "regressions": [{"scores": ["a"], "weights": [], "bias": 0}]})
    path.write_text(broken, encoding="utf-8")
    with pytest.raises(UserError, match="no regression with a weight for each score"):
        read_support(path)


OBJECTS = ObjectSupport(SUPPORT, ObjectWords({"hot dog": [], "cat": [], "boat": []}))
WORDS = ["a", "hot", "dog", "by", "the", "cat"]
EVIDENCE = {LOG_P: np.array([-9, -9, -0.1, -9, -9, -2.0]), CONTRAST: None}


def test_an_object_is_judged_by_the_last_of_its_words() -> None:
    dog, cat = OBJECTS.of_objects(WORDS, EVIDENCE)
    assert (dog.words, cat.words) == ("hot dog", "cat")
    assert [dog.support, cat.support] == pytest.approx([expit(-0.3), expit(-6.0)]) and str(dog) == "hot dog 0.43"
    assert OBJECTS.of_objects(["a", "wall"], EVIDENCE) == []
    values = OBJECTS.of_words(WORDS, EVIDENCE)
    assert [value is None for value in values] == [True, False, False, True, True, False]
    assert values[1] == values[2] == pytest.approx(expit(-0.3), abs=1e-4)


def test_doubtful_words_are_those_below_the_threshold() -> None:
    support = [None, 0.3, 0.3, None, None, 0.4]
    assert doubtful_words(WORDS, support) == ["hot dog", "cat"] and doubtful_words(WORDS, support, 0.35) == ["hot dog"]
    assert doubtful_words(WORDS, [None, 0.9, 0.9, None, None, 0.5]) == []
    assert warning(WORDS, support, 0.35) == "“hot dog” (support 0.30). The photo may not show this."
    assert warning(WORDS, support).endswith("The photo may not show these.")
    assert warning(WORDS, support, 0.0) == warning(WORDS, None) == ""


def test_the_largest_relevance_of_lrp_is_that_of_its_maps() -> None:
    explanation = lrp().attribute(MODEL, photos(8), Targets(captions()))
    assert explanation.pixels is not None
    expected = explanation.pixels.sum(2).flatten(2).amax(2).clamp(min=0).log1p()
    torch.testing.assert_close(largest_relevance(explanation), expected)
