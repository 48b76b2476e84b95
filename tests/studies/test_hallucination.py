"""The study that puts CHAIR beside recall: its parts on made-up captions, and all of it through the door."""

import csv
import json
from math import isnan, log
from pathlib import Path

import numpy as np
import pytest

from tests.running import run_door
from tests.studies.test_doors import CHAIN
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.metrics.hallucination import caption_records, hallucination_scores
from whysaid.studies.common.statistics import Interval, drawn_interval, draws_of_images
from whysaid.studies.hallucination.controls import Said, cut, drop_least_probable
from whysaid.studies.hallucination.outcome import RowScores, outcome_of
from whysaid.studies.hallucination.resampling import ScoredCaptions, pooled_statistics
from whysaid.studies.hallucination.study import HallucinationRates
from whysaid.studies.hallucination.systems import changed_captions, claimed_systems, control_values
from whysaid.studies.hallucination.verdict import BETTER, on_frontier, verdict

TABLE = ObjectWords({"dog": [], "hot dog": [], "cat": ["kitten"], "ball": []})
CAPTIONS = {1: "a dog and a ball", 2: "a cat", 3: "a grey wall", 4: "a cat and a kitten by a dog"}
REFERENCES = {1: ["a ball"], 2: ["a cat and a ball"], 3: ["a dog"], 4: ["a dog"]}


def said(caption: str, *probabilities: float) -> Said:
    return Said(caption.split(), [log(p) for p in probabilities])


def scored(captions: dict[int, str], **scores: list[float]) -> ScoredCaptions:
    return ScoredCaptions(caption_records(captions, REFERENCES, TABLE), scores)


def test_scores_are_those_of_the_metric():
    statistics = pooled_statistics([scored(CAPTIONS, CIDEr=[1, 2, 3, 6])], min_count=2)
    values = {name: float(of(np.ones(4))) for name, of in statistics.items()}
    metric = hallucination_scores(caption_records(CAPTIONS, REFERENCES, TABLE), min_count=2)
    assert values.pop("CIDEr") == 3
    assert values == {name: pytest.approx(metric[name].corpus) for name in values}
    assert set(values) == {"CHAIRi", "CHAIRs", "object_recall", "object_mAP"}


def test_a_draw_of_images_scores_as_these_images_would():
    times = np.array([2, 0, 0, 1])
    statistics = pooled_statistics([scored(CAPTIONS)], min_count=1)
    repeated = [i for i, number in zip(CAPTIONS, times, strict=True) for _ in range(number)]
    copies = {10 * place + i: i for place, i in enumerate(repeated)}
    captions, references = (
        {new: CAPTIONS[i] for new, i in copies.items()},
        {n: REFERENCES[i] for n, i in copies.items()},
    )
    metric = hallucination_scores(caption_records(captions, references, TABLE))
    for name in ("CHAIRi", "CHAIRs", "object_recall", "object_mAP"):
        assert float(statistics[name](times)) == pytest.approx(metric[name].corpus), name


def test_captions_of_several_seeds_are_pooled():
    other = dict.fromkeys(CAPTIONS, "a ball")
    both = pooled_statistics([scored(CAPTIONS, length=[5, 2, 3, 8]), scored(other, length=[2, 2, 2, 2])], 1)
    assert float(both["CHAIRi"](np.ones(4))) == pytest.approx((3 + 2) / (6 + 4))
    assert float(both["length"](np.ones(4))) == pytest.approx((4.5 + 2) / 2)


def test_what_is_of_nothing_is_nan():
    silent = pooled_statistics([scored(dict.fromkeys(CAPTIONS, "a wall"))], 1)
    draws = silent["CHAIRi"](draws_of_images(4, seed=0))
    assert all(isnan(end) for end in drawn_interval(draws)) and isnan(float(silent["object_mAP"](np.ones(4))))
    assert float(silent["object_recall"](np.ones(4))) == 0


def test_intervals_cover_the_middle_of_the_draws():
    assert drawn_interval(np.array([5.0, *range(101)])) == pytest.approx((5, 2.5, 97.5))


def test_controls_say_less():
    caption = said("a hot dog by the cat and a ball", *[0.9] * 2, 0.5, *[0.9] * 2, 0.2, *[0.9] * 2, 0.4)
    assert cut(caption, 3) == "a hot dog"
    assert drop_least_probable(caption, TABLE, 1.0) == "a hot dog by and a ball"
    assert drop_least_probable(caption, TABLE, 0.1) == caption.caption
    assert drop_least_probable(said("a hot dog", 0.9, 0.01, 0.2), TABLE, 0.3) == ""
    assert drop_least_probable(said("a wall", 0.1, 0.1), TABLE, 1.0) == "a wall"


def test_a_control_that_is_left_out_has_no_row():
    rows = changed_captions({1: said("a dog", 0.5, 0.5)}, control_values({"cut": [1], "drop": None}), TABLE)
    assert rows == {"cut 1": ("cut", {1: "a"})}


@pytest.mark.parametrize(
    ("chair", "recall", "judged"),
    [
        ((-0.1, -0.2, -0.05), (0.0, -0.01, 0.01), BETTER),
        ((-0.1, -0.2, 0.0), (0.1, 0.0, 0.2), "no: CHAIRi is not surely lower"),
        ((0.1, 0.05, 0.2), (0.1, 0.0, 0.2), "no: CHAIRi is higher"),
        ((-0.1, -0.2, -0.05), (-0.001, -0.01, 0.01), "no: recall is lower"),
        ((-0.1, -0.2, -0.05), (0.001, -0.03, 0.04), "no: recall may be lower by 0.02"),
        ((np.nan,) * 3, (0.0, 0.0, 0.0), "no: CHAIRi is not surely lower"),
    ],
)
def test_a_claim_is_judged_at_its_recall(chair, recall, judged):
    assert verdict(Interval(*chair), Interval(*recall), 0.02) == judged


def test_the_frontier_is_what_no_row_beats():
    points = {"a": (0.2, 0.5), "b": (0.1, 0.5), "c": (0.05, 0.3), "d": (0.06, 0.2), "e": (np.nan, 0.9), "f": (0.1, 0.5)}
    assert on_frontier(points) == ["b", "c", "f"]


def test_differences_are_paired_and_controls_are_no_claims():
    times = draws_of_images(4, seed=0)
    draws = {"CHAIRi": times @ [0.5, 0, 0.5, 0] / 4, "object_recall": times.mean(1) * 0.5, "bad_endings": times[:, 0]}
    lower = {**draws, "CHAIRi": draws["CHAIRi"] - 0.1}
    rows = {"baseline": RowScores("", draws), "cut 6": RowScores("cut", lower), "tuned": RowScores("", lower, [{}, {}])}
    rows["tuned"].seeds[0].update(CHAIRi=0.1, object_recall=0.5)
    rows["tuned"].seeds[1].update(CHAIRi=0.2, object_recall=np.nan)
    outcome = outcome_of(rows, "baseline", 0.02, "test")
    difference = outcome.tables["differences"][1]
    assert difference["CHAIRi_low"] == pytest.approx(-0.1) == difference["CHAIRi_high"]  # no noise of images is left
    assert [row["verdict"] for row in outcome.rows] == [None, BETTER, BETTER]
    assert [row["frontier"] for row in outcome.rows] == ["no", "yes", "yes"]
    assert "test/CHAIRi_tuned" in outcome.metrics and "test/CHAIRi_difference_tuned" in outcome.metrics
    assert not any("cut" in name or "bad_endings" in name for name in outcome.metrics)
    assert outcome.tables["seeds"][1] == {"row": "tuned", "seed": 2, "CHAIRi": 0.2, "object_recall": None}
    assert any(note.startswith(f"tuned: {BETTER} (CHAIRi -0.100") for note in outcome.notes)


SETTINGS = {"writer": "", "ckpt": "a.ckpt", "decoding": {}, "metric": {}}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"rows": {"tuned": {"chpt": "b"}}}, "study.rows.tuned has no chpt: its keys are ckpt, decoding, seeds"),
        ({"rows": {"tuned": {"ckpt": "b", "seeds": ["b"]}}}, "study.rows.tuned takes ckpt or seeds, not both"),
        ({"rows": {"baseline": {}}}, "give the row another name"),
        ({"against": "tuned"}, r"study.against=tuned is none of the rows \(baseline\)"),
        ({"controls": {"shorten": [3]}}, "study.controls has no shorten: it takes cut, temperature, drop"),
    ],
)
def test_rows_that_there_are_not(more, message):
    with pytest.raises(UserError, match=message):
        HallucinationRates(**SETTINGS, **more)


def test_a_row_is_what_its_settings_say():
    named = {
        "wide": {"decoding": {"width": 5}},
        "gone": None,
        "tuned": {"seeds": ["a", "b"]},
        "both": {"ckpt": ["c", "d"]},
    }
    wide, tuned, both = claimed_systems(named)
    assert not wide.checkpoints and wide.decoding == {"width": 5}
    assert list(tuned.checkpoints) == ["a", "b"] and list(both.checkpoints) == [["c", "d"]]


def test_the_study_through_the_door(finished: Path, places: list[str], plain_tokens: None) -> None:
    best, last = (f"{finished}/checkpoints/{name}.ckpt" for name in ("best", "last"))
    rows = (
        f"+study.rows.chained.decoding.filters=[{CHAIN}]",
        f"+study.rows.both.seeds=[{best},{last}]",
        "study.controls={cut: [4], temperature: [0.5], drop: [1.0]}",
    )
    quick = ("logger=none", "study.images=8", "study.scores.SPICE=null", "split=val", "decoding=greedy")
    ran = run_door("evaluate", *places, f"ckpt={best}", "study=hallucination", *quick, *rows)
    with (ran.folder / "hallucination.csv").open(newline="") as file:
        table = {row["row"]: row for row in csv.DictReader(file)}
    assert list(table) == ["baseline", "cut 4", "drop 1", "temperature 0.5", "chained", "both"]
    assert float(table["chained"]["length"]) == 11 and float(table["cut 4"]["length"]) <= 4
    about = json.loads((ran.folder / "hallucination.json").read_text())
    assert [len(captions) for captions in about["captions"].values()] == [1, 1, 1, 1, 1, 2]
    assert about["captions"]["both"][0] == about["captions"]["baseline"][0]
    assert set(about["captions"]["chained"][0].values()) == {"a cat and a ball on a boat by a car"}
    assert [row["seed"] for row in about["seeds"]] == [1, 2]
    assert "test/CIDEr_baseline" not in (metrics := json.loads((ran.folder / "metrics.json").read_text()))
    assert metrics["val/length_difference_chained"] == pytest.approx(11 - metrics["val/length_baseline"])
    assert "8 images; what says that an object is there: references." in ran.out
