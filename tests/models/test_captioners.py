"""The Captioner contract, for all captioners."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import START
from whysaid.models.adaptive import Adaptive
from whysaid.models.aoa import AoA
from whysaid.models.captioner import Captioner, example, repeat, select
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.gridtd import GridTD
from whysaid.models.relevance import lrp, share
from whysaid.models.soft import Soft
from whysaid.models.transformer import Transformer
from whysaid.models.word_captioner import Features

V, B, R, D = 11, 3, 6, 5


class Patches(Encoder):
    """A linear map of six patches, enough to carry gradients to pixels."""

    dim = D
    grid = (2, 3)

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 4, D, bias=False)

    def forward(self, images: Tensor) -> Regions:
        patches = images.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        return Regions(share(self.linear(patches)))


BUILD: dict[str, Callable[[], Captioner]] = {
    "soft": lambda: Soft(Patches(), V, embed_dim=7, hidden_dim=8, attention_dim=4),
    "adaptive": lambda: Adaptive(Patches(), V, embed_dim=7, hidden_dim=8, attention_dim=4),
    "gridtd": lambda: GridTD(Patches(), V, embed_dim=7, hidden_dim=8, attention_dim=4),
    "aoa": lambda: AoA(Patches(), V, embed_dim=7, hidden_dim=8, attention_dim=4, heads=2, gate_on="hidden"),
    "aoa_refined": lambda: AoA(
        Patches(), V, embed_dim=7, hidden_dim=8, attention_dim=4, heads=2, gate_on="both", refiner_layers=2
    ),
    "transformer": lambda: Transformer(Patches(), V, embed_dim=8, hidden_dim=9, attention_dim=4, layers=2, heads=2),
}


@pytest.fixture(params=BUILD)
def captioner(request: pytest.FixtureRequest) -> Captioner:
    torch.manual_seed(0)
    return BUILD[request.param]().double().eval()


def tokens(rows: int, length: int) -> Tensor:
    drawn = torch.randint(4, V, (rows, length), generator=torch.Generator().manual_seed(1))
    drawn[:, 0] = START
    return drawn


def features(captioner: Captioner, mask: Tensor | None = None) -> Features:
    regions = torch.rand(B, R, D, generator=torch.Generator().manual_seed(2)).double()
    return captioner.project(regions, mask)


def test_logits_of_some_words_are_those_of_the_head(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a head of one's own too."""
    words, output = torch.tensor([2, 5]), torch.randn(3, captioner.vocabulary_layer.in_features).double()
    torch.testing.assert_close(captioner.logits_of(output, words), captioner.head(output)[:, words])
    plain = type(captioner).head
    monkeypatch.setattr(type(captioner), "head", lambda self, output: plain(self, output) + 1)
    torch.testing.assert_close(captioner.logits_of(output, words), captioner.head(output)[:, words])


def test_step_after_step_is_teacher_forcing(captioner: Captioner) -> None:
    words, image = tokens(B, 5), features(captioner)
    unrolled = captioner.unroll(words, image)
    state = captioner.start(image)
    for t in range(5):
        step = captioner.step(words[:, t], state, image)
        state = step.state
        torch.testing.assert_close(step.logits, unrolled.logits[:, t])
        torch.testing.assert_close(step.attention, unrolled.attention[:, t])
        assert (step.sentinel is None) == (unrolled.sentinel is None)


def test_rows_of_an_image_are_as_if_the_image_were_repeated(captioner: Captioner) -> None:
    words = tokens(2 * B, 4)
    shared = captioner.unroll(words, features(captioner))
    image = features(captioner)
    copied = Features(*(x.repeat_interleave(2, 0) for x in (image.values, image.keys, image.pooled)))
    torch.testing.assert_close(shared.logits, captioner.unroll(words, copied).logits)


def test_no_image_sees_another(captioner: Captioner) -> None:
    image, words = features(captioner), tokens(B, 4)
    alone = Features(image.values[1:2], image.keys[1:2], image.pooled[1:2])
    torch.testing.assert_close(captioner.unroll(words, image).logits[1:2], captioner.unroll(words[1:2], alone).logits)


def test_attention_and_sentinel_share_one(captioner: Captioner) -> None:
    unrolled = captioner.unroll(tokens(B, 3), features(captioner))
    total = unrolled.attention.sum(-1)
    if unrolled.sentinel is not None:
        total = total + unrolled.sentinel
    torch.testing.assert_close(total, torch.ones_like(total))


def test_padding_regions_change_nothing(captioner: Captioner) -> None:
    mask = torch.tensor([[True] * 4 + [False] * 2] * B)
    regions = torch.rand(B, R, D).double()
    padded = captioner.project(regions, mask)
    short = captioner.project(regions[:, :4])
    words = tokens(B, 3)
    unrolled = captioner.unroll(words, padded)
    torch.testing.assert_close(unrolled.logits, captioner.unroll(words, short).logits)
    assert (unrolled.attention[..., 4:] == 0).all()


def test_every_parameter_is_trained(captioner: Captioner) -> None:
    captioner.unroll(tokens(B, 3), captioner.encode(torch.rand(B, 3, 4, 6).double())).logits.square().sum().backward()
    idle = [name for name, p in captioner.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # a softmax does not see a bias that is the same for all regions
    assert [name for name in idle if not name.endswith("attention.key.bias")] == []


@pytest.mark.parametrize("epsilon", [1e-12])
def test_relevance_is_conserved_without_biases(captioner: Captioner, epsilon: float) -> None:
    """Words and image share the logit (METHOD: to 1e-8 of Σ|R| in float64)."""
    for name, parameter in captioner.named_parameters():
        if name.endswith(("bias", "positions.weight")):  # vectors of places are constants too
            nn.init.zeros_(parameter)
    words = tokens(B, 4)
    images = torch.rand(B, 3, 4, 6).double().requires_grad_()
    with lrp(epsilon):
        embedded = captioner.embed(words).detach().requires_grad_()
        drive, image = captioner.drive(embedded), captioner.encode(images)
        state = captioner.start(image)
        for t in range(4):
            cell = captioner.advance(drive[:, t], state, image)
            state = cell.state
        logit = captioner.head(cell.output)[:, 5]
        parts = torch.autograd.grad(logit.sum(), (images, embedded))
    relevance = [(g * x).flatten(1) for g, x in zip(parts, (images, embedded), strict=True)]
    total = sum(r.sum(1) for r in relevance)
    size = sum(r.abs().sum(1) for r in relevance)
    assert ((total - logit).abs() / size).max() < 1e-8


def test_scheduled_sampling_replaces_words_and_never_the_first(captioner: Captioner) -> None:
    image, words = features(captioner), tokens(B, 6)
    plain = captioner.unroll(words, image)
    torch.manual_seed(3)
    sampled = captioner.unroll(words, image, sampling=1.0)
    torch.testing.assert_close(plain.logits[:, 0], sampled.logits[:, 0])
    assert not torch.allclose(plain.logits[:, 1:], sampled.logits[:, 1:])
    torch.testing.assert_close(captioner.unroll(words, image, sampling=0.0).logits, plain.logits)


def test_features_come_from_pixels_or_from_stored_regions(captioner: Captioner) -> None:
    images = torch.rand(B, 3, 4, 6).double()
    ids, captions = torch.arange(B), tokens(B, 3).unsqueeze(1)
    image = captioner.features(CaptionBatch(ids, captions, images=images))
    stored = CaptionBatch(ids, captions, regions=captioner.encoder(images).values.detach())
    torch.testing.assert_close(image.values, captioner.features(stored).values)


def test_states_are_selected_and_repeated_row_by_row() -> None:
    state = (torch.arange(3.0).unsqueeze(1), torch.arange(6.0).view(3, 2))
    assert select(state, torch.tensor([2, 0]))[0].tolist() == [[2.0], [0.0]]
    assert repeat(state, 2)[1].tolist() == [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5], [4, 5]]


def test_states_may_be_nested() -> None:
    layers = tuple((torch.arange(2.0).view(2, 1), torch.full((2, 1), float(layer))) for layer in range(3))
    state = (layers, torch.tensor([7, 8]))
    assert select(state, torch.tensor([1]))[0][2][0].tolist() == [[1.0]]
    assert repeat(state, 2)[0][1][0].tolist() == [[0], [0], [1], [1]]
    assert repeat(state, 1) is state
    assert example(state) is layers[0][0]
