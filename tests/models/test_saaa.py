"""Show, Ask, Attend, and Answer, and its dropout."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whysaid.data.vocabulary import PAD, UNK
from whysaid.models.dropout import Dropout, fair_coins
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.saaa import SAAA

B, K, S, R, D, V, A = 2, 3, 5, 4, 6, 12, 7


def model(**settings: object) -> SAAA:
    torch.manual_seed(0)
    sizes = {"embed_dim": 4, "hidden_dim": 5, "attention_dim": 3, "classifier_dim": 6, **settings}
    return SAAA(RegionFeatures(D), V, A, **sizes).double().eval()  # type: ignore[arg-type]


def regions() -> Tensor:
    return torch.rand(B, R, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def questions() -> Tensor:
    asked = torch.randint(4, V, (B * K, S), generator=torch.Generator().manual_seed(2))
    asked[1, 3:] = PAD
    return asked


def test_it_is_the_published_model() -> None:
    """Against torch's own LSTM, 1 × 1 convolutions on normalised feature maps, and concatenation."""
    net, asked, values = model(), questions(), regions()
    theirs = nn.LSTM(4, 5, batch_first=True).double()
    order = torch.cat([torch.arange(5, 10), torch.arange(5), torch.arange(15, 20), torch.arange(10, 15)])
    # ours are keep, write, expose, candidate; torch's input (write), forget (keep), cell (candidate), output (expose)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(net.lstm.inputs[0].weight[order])
        theirs.weight_hh_l0.copy_(net.lstm.recurrent.weight[order])
        theirs.bias_ih_l0.copy_(net.lstm.recurrent.bias[order])
        theirs.bias_hh_l0.zero_()
        lengths = (asked != PAD).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(net.embedding(asked).tanh(), lengths, True, enforce_sorted=False)
        _, (_, cell) = theirs(packed)
        q = cell.squeeze(0)
        maps = F.normalize(values, dim=2).transpose(1, 2).unflatten(2, (2, 2)).repeat_interleave(K, 0)
        keys = F.conv2d(maps, net.key.weight[:, :, None, None])
        query = net.query(q)[:, :, None, None]
        scores = F.conv2d((keys + query).relu(), net.score.weight[:, :, None, None], net.score.bias)
        weights = scores.flatten(2).softmax(2)
        glimpses = torch.einsum("ngr,ndr->ngd", weights, maps.flatten(2)).flatten(1)
        expected = net.answer_layer(net.hidden_layer(torch.cat([glimpses, q], 1)).relu())
    torch.testing.assert_close(net(asked, net.project(values)), expected, rtol=1e-7, atol=1e-9)
    reading = net.read(net.embed(asked), net.project(values))
    torch.testing.assert_close(reading.attention.squeeze(1), weights.mean(1), rtol=1e-7, atol=1e-9)


def test_padding_and_unknown_words_are_not_read() -> None:
    net, sight = model(), None
    with torch.no_grad():
        sight = net.project(regions()[:1])
        short = torch.tensor([[5, 6]])
        alone = net(short, sight)
        for padded in ([[5, 6, PAD, PAD]], [[5, UNK, 6, PAD]], [[UNK, 5, UNK, 6]]):
            torch.testing.assert_close(net(torch.tensor(padded), sight), alone)
        assert not torch.allclose(net(torch.tensor([[6, 5]]), sight), alone)
        assert net(torch.tensor([[PAD, PAD]]), sight).isfinite().all()


def test_the_vectors_of_padding_and_unknown_words_stay_zero() -> None:
    net = model(dropout=0.3).train()
    optimizer = torch.optim.AdamW(net.parameters(), 0.1)
    asked = questions()
    asked[0, 1] = UNK
    for _ in range(3):
        optimizer.zero_grad()
        net(asked, net.project(regions())).sum().backward()
        optimizer.step()
    assert (net.embedding.weight[[PAD, UNK]] == 0).all() and (net.embedding.weight[4:] != 0).all()


def test_questions_of_an_image_share_it() -> None:
    net, asked = model(), questions()
    together = net(asked, net.project(regions()))
    for n in range(B * K):
        alone = net(asked[n : n + 1], net.project(regions()[n // K : n // K + 1]))
        torch.testing.assert_close(together[n : n + 1], alone)


def test_masked_regions_are_not_seen() -> None:
    net, asked = model(), questions()
    mask = torch.tensor([[True] * (R - 1) + [False]] * B)
    masked = net.read(net.embed(asked), net.project(regions(), mask))
    cut = net.read(net.embed(asked), net.project(regions()[:, : R - 1]))
    torch.testing.assert_close(masked.output, cut.output)
    assert (masked.attention[..., -1] == 0).all()
    torch.testing.assert_close(masked.attention.sum(2), torch.ones(B * K, 1, dtype=torch.float64))


def test_question_only_sees_nothing() -> None:
    blind, asked = model(question_only=True), questions()
    with torch.no_grad():
        torch.testing.assert_close(blind(asked, blind.project(regions())), blind(asked, blind.project(regions() + 1)))
    sighted = model()
    assert not torch.allclose(
        sighted(asked, sighted.project(regions())), sighted(asked, sighted.project(regions() ** 2))
    )


def test_gradients_of_an_empty_region_are_finite() -> None:
    net = model().train()
    values = regions().requires_grad_()
    net(questions(), net.project(values * torch.tensor([0.0, 1, 1, 1]).view(1, R, 1))).sum().backward()
    assert values.grad is not None and values.grad.isfinite().all()


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5])
def test_dropout_keeps_the_mean_and_drops_its_share(p: float) -> None:
    torch.manual_seed(0)
    drop, x = Dropout(p), torch.ones(400, 1001)
    dropped = drop(x)
    assert ((dropped == 0) | torch.isclose(dropped, torch.tensor(1 / (1 - p)), rtol=3e-3)).all()
    assert abs((dropped == 0).float().mean() - p) < 0.005
    assert not p or not torch.equal(drop(x), dropped)
    torch.manual_seed(0)
    assert torch.equal(drop(x), dropped)
    assert torch.equal(drop.eval()(x), x)


def test_fair_coins_are_independent() -> None:
    """Neighbours along each axis, and the eight bits of a byte, agree half of the time."""
    torch.manual_seed(0)
    coins = fair_coins(torch.Size([64, 4096]), torch.device("cpu")).float()
    assert set(coins.unique().tolist()) == {0, 2} and abs(coins.mean() - 1) < 0.01
    for axis in (0, 1):
        for distance in (1, 2, 8, 32):
            agree = (coins == coins.roll(distance, axis)).float().mean()
            assert abs(agree - 0.5) < 0.005
    assert fair_coins(torch.Size([3]), torch.device("cpu")).shape == (3,)
