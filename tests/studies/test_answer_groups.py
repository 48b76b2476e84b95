"""Cells, t-tests and correlations, against SciPy and by hand."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from whysaid.studies.human_attention.answer_groups import AnswerGroups, rows_by_target, two_sample


def rows(number: int = 60) -> list[dict[str, object]]:
    """Random questions; wrong ones have a row for each answer."""
    rng, made = np.random.default_rng(0), []
    for i in range(number):
        correct, sure = bool(rng.random() < 0.5), float(rng.random())
        about = {"question_id": i, "correct": correct, "confidence": sure}
        for target in ("right",) if correct else ("right", "predicted"):
            made.append({**about, "method": "lrp", "target": target, "x": float(rng.normal(sure))})
        made.append({**about, "method": "centre", "target": None, "x": 0.5})
    return made


def students_p(a: list[float], b: list[float]) -> tuple[float, float]:
    """t, and p by the distribution's integral."""
    from scipy.stats import t as distribution

    n, m = len(a), len(b)
    pooled = ((n - 1) * np.var(a, ddof=1) + (m - 1) * np.var(b, ddof=1)) / (n + m - 2)
    t = (np.mean(a) - np.mean(b)) / np.sqrt(pooled * (1 / n + 1 / m))
    return float(t), float(2 * distribution.sf(abs(t), n + m - 2))


def test_targets_of_a_method() -> None:
    parts = {(names["method"], names["target"]): part for names, part in rows_by_target(rows())}
    assert set(parts) == {("lrp", "right"), ("lrp", "predicted"), ("centre", None)}
    assert all(len(part) == 60 and len({row["question_id"] for row in part}) == 60 for part in parts.values())
    assert all(row["correct"] or row["target"] == "predicted" for row in parts["lrp", "predicted"])


def test_the_table_of_tests() -> None:
    tests = AnswerGroups().tests(rows(), ["x"])
    assert len(tests) == 3 * 5
    part = next(part for names, part in rows_by_target(rows()) if names["target"] == "predicted")
    for row in tests:
        if row["target"] == "predicted" and row["contrast"] == "high − low, wrong":
            a = [r["x"] for r in part if not r["correct"] and r["confidence"] > 0.75]
            b = [r["x"] for r in part if not r["correct"] and r["confidence"] < 0.25]
    assert len(a) > 2 and len(b) > 2
    row = next(r for r in tests if r["target"] == "predicted" and r["contrast"] == "high − low, wrong")
    t, p = students_p(a, b)
    assert (row["n_first"], row["n_second"]) == (len(a), len(b))
    assert row["difference"] == pytest.approx(np.mean(a) - np.mean(b))
    assert (row["t"], row["p"]) == (pytest.approx(t), pytest.approx(p))


def test_groups_too_small_or_without_spread() -> None:
    assert two_sample([1.0], [1.0, 2.0]) == (None, None, None)
    assert two_sample([1.0, 1.0], [3.0, 3.0]) == (-2.0, None, None)
    assert all(row["p"] is None for row in AnswerGroups().tests(rows(), ["x"]) if row["method"] == "centre")


def test_summaries_by_hand() -> None:
    answers = [
        {"method": "a", "target": "right", "correct": c, "confidence": s, "x": x}
        for c, s, x in ((True, 0.1, 1.0), (True, 0.2, 3.0), (True, 0.5, 9.0), (False, 0.9, 4.0), (True, 0.25, 7.0))
    ]
    summaries = {(r["target"], r["group"]): r for r in AnswerGroups().summaries(answers, ["x"])}
    row = summaries["right", "correct, low"]
    assert (row["n"], row["mean"], row["median"], row["deviation"]) == (2, 2.0, 2.0, 1.0)
    assert summaries["right", "wrong, high"]["n"] == 1 and summaries["right", "correct, high"]["mean"] is None


def test_correlations_with_confidence() -> None:
    correlations = {
        (r["target"], r["answers"]): r for r in AnswerGroups().correlations(rows(), ["x"]) if r["method"] == "lrp"
    }
    part = next(part for names, part in rows_by_target(rows()) if names["target"] == "right")
    sure, x = ([r[key] for r in part if r["correct"]] for key in ("confidence", "x"))
    row = correlations["right", "correct"]
    assert (row["r"], row["p"]) == (pytest.approx(pearsonr(sure, x)[0]), pytest.approx(pearsonr(sure, x)[1]))
    assert row["r"] == pytest.approx(np.corrcoef(sure, x)[0, 1]) and row["n"] == len(x)
    assert all(r["r"] is None for r in AnswerGroups().correlations(rows(), ["x"]) if r["method"] == "centre")
