import pytest
import torch
from torch import Tensor, nn

from whysaid.errors import UserError
from whysaid.models.inpainting.contextual_attention import ContextualAttention
from whysaid.models.inpainting.gated_convolution import GatedConvolution
from whysaid.models.inpainting.generator import Generator


def tiny() -> Generator:
    torch.manual_seed(0)
    return Generator((4, 4, 8), (2, 4)).eval()


def pictures(batch: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Images in [−1, 1] and a hole in the middle of each."""
    torch.manual_seed(1)
    masks = torch.zeros(batch, 1, height, width)
    masks[:, :, height // 4 : height // 2, width // 4 : width // 2] = 1
    return torch.rand(batch, 3, height, width) * 2 - 1, masks


def test_published_size_is_4_05_million() -> None:
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in Generator().parameters())
    assert count == pytest.approx(4.05e6, rel=0.01)


def real_widths(part: nn.Module) -> list[int]:
    return [layer.convolution.out_channels // 2 for layer in part.modules() if isinstance(layer, GatedConvolution)]


def test_published_widths() -> None:
    with torch.device("meta"):
        generator = Generator()
    up = [48, 48, 24, 12]
    assert real_widths(generator.coarse) == [24, 48, 48, 96, 96, 96, *[96] * 4, 96, 96, *up]
    assert real_widths(generator.dilated_branch) == [24, 24, 48, 48, 96, 96, *[96] * 4]
    assert real_widths(generator.before_attention) == [24, 24, 48, 96, 96, 96]
    assert real_widths(generator.after_attention) == [96, 96]
    assert real_widths(generator.decoder) == [96, 96, *up]
    dilations = [layer.convolution.dilation[0] for layer in generator.coarse if isinstance(layer, GatedConvolution)]
    assert [d for d in dilations if d > 1] == [2, 4, 8, 16]


def test_shapes_and_ranges() -> None:
    images, masks = pictures(2, 32, 48)
    inpainted = tiny()(images, masks)
    for made in inpainted:
        assert made.shape == images.shape and made.abs().max() <= 1
    outside = (masks == 0).expand_as(images)
    assert torch.equal(inpainted.completed[outside], images[outside])
    assert torch.equal(inpainted.completed[~outside], inpainted.fine[~outside])


def test_what_each_part_is_given() -> None:
    images, masks = pictures(2, 32, 48)
    generator, taken, made = tiny(), {}, {}
    for name, part in generator.named_children():
        part.register_forward_hook(
            lambda _, inputs, output, name=name: (taken.update({name: inputs}), made.update({name: output}), None)[-1]
        )
    inpainted = generator(images, masks)
    known = images * (1 - masks)
    torch.testing.assert_close(taken["coarse"][0], torch.cat([known, torch.ones_like(masks), masks], 1))
    torch.testing.assert_close(inpainted.coarse, made["coarse"].tanh())
    filled = torch.where(masks.bool(), inpainted.coarse, images)
    for branch in ("dilated_branch", "before_attention"):
        torch.testing.assert_close(taken[branch][0], filled)
    features, holes = taken["attention"]
    assert features is made["before_attention"] and torch.equal(holes, masks[..., ::4, ::4])
    assert taken["after_attention"][0] is made["attention"]
    torch.testing.assert_close(taken["decoder"][0], torch.cat([made["dilated_branch"], made["after_attention"]], 1))
    torch.testing.assert_close(inpainted.fine, made["decoder"].tanh())


def test_what_is_hidden_has_no_influence() -> None:
    images, masks = pictures(1, 32, 32)
    generator = tiny()
    painted_over = torch.where(masks.bool(), torch.tensor(0.7), images)
    for ours, theirs in zip(generator(images, masks), generator(painted_over, masks), strict=True):
        assert torch.equal(ours, theirs)


def test_every_parameter_learns() -> None:
    images, masks = pictures(2, 32, 32)
    generator = tiny()
    inpainted = generator(images, masks)
    (inpainted.coarse.square().sum() + inpainted.fine.square().sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in generator.parameters())


@pytest.mark.parametrize(("height", "width"), [(33, 50), (16, 9), (5, 7), (40, 24)])
def test_any_size_is_completed(height: int, width: int) -> None:
    images, masks = pictures(2, height, width)
    completed = tiny().complete(images, masks.bool())
    assert completed.shape == images.shape and completed.abs().max() <= 1
    outside = (masks == 0).expand_as(images)
    assert torch.equal(completed[outside], images[outside])
    assert not torch.equal(completed[~outside], images[~outside])


def test_a_multiple_of_eight_needs_no_padding() -> None:
    images, masks = pictures(2, 24, 32)
    generator = tiny()
    torch.testing.assert_close(generator.complete(images, masks), generator(images, masks).completed)


@pytest.mark.parametrize("pixels", [1, 2 * 24 * 24, 10**6])
def test_together_as_one_by_one(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whysaid.models.inpainting.generator.PIXELS", pixels)
    images, masks = pictures(3, 24, 24)
    masks[1] = masks[1].flip(-1)
    generator = tiny()
    alone = torch.cat([generator.complete(images[i : i + 1], masks[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(generator.complete(images, masks), alone, atol=1e-5, rtol=0)


def test_an_empty_mask_changes_nothing() -> None:
    images, masks = pictures(2, 24, 24)
    assert torch.equal(tiny().complete(images, torch.zeros_like(masks)), images)
    masks[0] = 0
    completed = tiny().complete(images, masks)
    assert torch.equal(completed[0], images[0]) and not torch.equal(completed[1], images[1])


def test_completing_keeps_no_graph() -> None:
    images, masks = pictures(1, 16, 16)
    assert not tiny().complete(images.requires_grad_(True), masks).requires_grad


def test_bad_masks() -> None:
    images, masks = pictures(2, 24, 24)
    with pytest.raises(UserError, match=r"masks of \(2, 1, 24, 16\) do not fit images of \(2, 3, 24, 24\)"):
        tiny().complete(images, masks[..., :16])
    with pytest.raises(UserError, match="do not fit"):
        tiny().complete(images, masks[:1])
    masks[1] = 1
    with pytest.raises(UserError, match="covers its whole image"):
        tiny().complete(images, masks)


def test_bad_widths() -> None:
    with pytest.raises(UserError, match="three widths"):
        Generator((8, 16))


def test_the_attention_can_be_told() -> None:
    assert Generator((4, 4, 8), (2,), ContextualAttention(rate=4)).attention.rate == 4
