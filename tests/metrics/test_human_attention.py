"""Every similarity of two maps, against a few lines of NumPy and SciPy."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import rankdata, spearmanr

from whysaid.metrics.human_attention import MEASURES, centre_prior, prepare, similarities, squared, standardised

SHARE, THRESHOLD = 0.1, 0.8


def maps(number: int, levels: int | None, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """`number` maps of 12 × 12; few levels make ties."""
    drawn = np.random.default_rng(seed).random((number, 12, 12))
    return drawn if levels is None else np.floor(drawn * levels)


def plain(a: np.ndarray, b: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    """One pair, as anyone would write it."""
    ranged = [(m - m.min()) / ((m - m.min()).max() + 1e-6) for m in (a.ravel(), b.ravel())]
    shares = [m / (m.sum() + 1e-6) for m in ranged]
    expected = {"spearman": float(spearmanr(a.ravel(), b.ravel()).statistic), "intersect": float(shares[0] @ shares[1])}
    number = round(SHARE * a.size)
    top = []
    for m in (a.ravel(), b.ravel()):
        border = np.sort(m)[-number]
        room = (number - (m > border).sum()) / (m == border).sum()
        top.append(np.where(m > border, 1, np.where(m == border, room, 0)))
    value = [(m - m.mean()) / (m.std() + 1e-6) > THRESHOLD for m in ranged]
    for kind, (x, y) in {"topk": top, "value": value}.items():
        both, p, t = float((x * y).sum()), float(x.sum()), float(y.sum())
        precision, recall = both / p, both / t
        expected |= {
            f"{kind}_disc_intersect": both,
            f"{kind}_iou": both / (p + t - both),
            f"{kind}_dice": 2 * both / (p + t),
            f"{kind}_precision": precision,
            f"{kind}_recall": recall,
            f"{kind}_f1": 2 * precision * recall / (precision + recall) if both else 0.0,
        }
    return expected


@pytest.mark.parametrize("levels", [None, 40, 3])
def test_every_pair_as_one_would_write_it(levels: int | None) -> None:
    first, second = maps(3, levels, 0), maps(4, levels, 1)
    measured = similarities(prepare(first, SHARE, THRESHOLD), prepare(second, SHARE, THRESHOLD))
    assert tuple(measured) == MEASURES
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            assert {name: measured[name][i, j] for name in measured} == pytest.approx(plain(a, b), abs=1e-12)


def test_topk_masks_have_one_size_even_with_ties() -> None:
    for levels in (None, 5, 1):
        prepared = prepare(maps(2, levels, 2), SHARE)
        assert prepared.topk.inside.sum(1) == pytest.approx(prepared.topk.size) and prepared.topk.size[0] == 14
        measured = similarities(prepared, prepare(maps(3, 4, 3), SHARE))
        for name in ("recall", "dice", "f1"):
            assert measured[f"topk_{name}"] == pytest.approx(measured["topk_precision"])


def test_the_order_of_tied_pixels_does_not_matter() -> None:
    a, b = maps(1, 3, 4), maps(1, 3, 5)
    shuffle = np.random.default_rng(6).permutation(144)
    moved = [m.reshape(1, -1)[:, shuffle] for m in (a, b)]
    first, second = (similarities(prepare(x), prepare(y)) for x, y in ((a, b), moved))
    assert {k: v.item() for k, v in first.items()} == pytest.approx({k: v.item() for k, v in second.items()})


def test_a_constant_map_is_like_nothing() -> None:
    measured = similarities(prepare(np.full((1, 12, 12), 3.0), SHARE), prepare(maps(1, None, 0), SHARE))
    assert all(np.isfinite(values).all() for values in measured.values())
    zero = ("spearman", "intersect", "value_disc_intersect", "value_iou", "value_f1", "value_precision", "value_recall")
    assert all(measured[name] == 0 for name in zero)
    assert measured["topk_f1"].item() == pytest.approx(14 / 144)  # what a random choice of pixels gets on average


def test_a_map_is_most_like_itself_whatever_its_scale() -> None:
    a = maps(2, None, 7)
    measured = similarities(prepare(a), prepare(5 + 100 * a))
    for name in ("spearman", "topk_iou", "value_iou"):
        assert np.diag(measured[name]) == pytest.approx([1, 1])
        assert (np.diag(measured[name]) > measured[name][[0, 1], [1, 0]]).all()


def test_single_precision_is_enough() -> None:
    a, b = maps(3, None, 8), maps(2, 30, 9)
    exact, single = (similarities(prepare(a.astype(t)), prepare(b.astype(t))) for t in (np.float64, np.float32))
    for name in MEASURES:
        assert single[name] == pytest.approx(exact[name], rel=1e-4, abs=1e-6)


def test_standardised_maps() -> None:
    ranged, normal = standardised(maps(2, None, 1).reshape(2, -1))
    assert ranged.min() == 0 and ranged.max() == pytest.approx(1, abs=2e-6)
    assert normal.mean(1) == pytest.approx([0, 0], abs=1e-9) and normal.std(1) == pytest.approx([1, 1], abs=1e-5)


def test_maps_of_any_shape_become_squares() -> None:
    drawn = np.random.default_rng(0).random((30, 50)).astype(np.float32)
    (resized,) = squared(drawn, 20)
    expected = np.asarray(Image.fromarray(drawn).resize((20, 20), Image.Resampling.BILINEAR))
    assert resized == pytest.approx(expected, abs=1e-5)
    assert squared(drawn[:, :30], 30) == pytest.approx(drawn[None, :, :30])


def test_the_centre_prior_is_highest_in_the_middle() -> None:
    prior = centre_prior(5)
    assert prior.argmax() == 12 and prior == pytest.approx(prior.T) and prior[0, 2] == pytest.approx(np.exp(-1.28))


def test_ranks_are_those_of_scipy() -> None:
    a = maps(1, 4, 3)
    ranks = rankdata(a.ravel()) - (a.size + 1) / 2
    assert prepare(a).ranks[0] == pytest.approx(ranks / np.linalg.norm(ranks))
