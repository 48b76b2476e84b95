"""How far a photo is from those that a model was trained on."""

import io

import pytest
import torch

from whysaid.data.features.familiarity import FEWEST, NEIGHBOUR, Distance, Familiarity

VECTORS = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 1, 1, 1, 1, 1000.0])


def test_the_distance_is_to_the_fifth_neighbour_in_standard_deviations() -> None:
    vector = torch.tensor([0.5, 0, 0, -1, 2, 300])
    apart = (((VECTORS - vector) / VECTORS.std(0)) ** 2).sum(1).sqrt().sort().values
    assert Familiarity(VECTORS)(vector).distance == pytest.approx(float(apart[NEIGHBOUR - 1]), rel=1e-4)


def test_the_quantile_is_the_share_of_training_photos_that_are_nearer_to_the_others() -> None:
    line = torch.arange(100.0)[:, None].repeat(1, 2)
    line[-1] = 1000  # one photo is far from all others, and so its own distance is the largest
    near, far = Familiarity(line)(torch.tensor([50.0, 50.0])), Familiarity(line)(torch.tensor([-300.0, -300.0]))
    assert near.quantile == 0 and not near.far and near.remark == ""
    assert far.quantile == 0.99 and not far.far  # the one photo is farther still
    assert Familiarity(line)(torch.tensor([5000.0, 5000.0])).far


def test_photos_like_the_training_photos_are_rarely_far_and_others_are() -> None:
    familiarity, generator = Familiarity(VECTORS), torch.Generator().manual_seed(1)
    same = torch.randn(300, 6, generator=generator) * VECTORS.std(0)
    assert sum(familiarity(vector).far for vector in same) <= 12
    assert all(familiarity(vector + 8 * VECTORS.std(0)).far for vector in same)


def test_the_remark_gives_the_numbers() -> None:
    distance = Familiarity(VECTORS)(100 * VECTORS.std(0))
    assert distance.remark.startswith("far from what it was trained on: farther than all its training photos, ")
    assert "farther than 99.5 % of its training photos, 3.0 times" in Distance(6.0, 2.0, 0.995).remark
    assert f"{distance.distance / distance.typical:.1f} times" in distance.remark
    assert distance.to_dict() == {
        "distance": distance.distance,
        "typical": distance.typical,
        "quantile": 1.0,
        "far": True,
    }


def test_a_feature_that_never_varies_says_something_only_where_it_does() -> None:
    constant = torch.cat([VECTORS, torch.ones(200, 1)], 1)
    same, other = torch.cat([VECTORS.mean(0), torch.ones(1)]), torch.cat([VECTORS.mean(0), torch.tensor([1e6])])
    assert not Familiarity(constant)(same).far and Familiarity(constant)(other).far
    assert not Familiarity(torch.zeros(FEWEST, 3))(torch.zeros(3)).far


@pytest.mark.parametrize("vectors", [VECTORS[: FEWEST - 1], VECTORS[0], torch.full((50, 3), torch.nan)])
def test_too_few_photos_or_broken_ones_are_refused(vectors: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="finite vectors"):
        Familiarity(vectors)


def test_a_file_keeps_it() -> None:
    file = io.BytesIO()
    torch.save({"familiar": Familiarity(VECTORS).vectors}, file)
    file.seek(0)
    again = Familiarity(torch.load(file, weights_only=True)["familiar"])
    assert again(VECTORS[0]) == Familiarity(VECTORS)(VECTORS[0])
