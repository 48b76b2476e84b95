"""Contextual attention as matrix products against the published convolutions; memory layouts; objects in one batch.

`python -m tests.benchmarks.inpainting` prints the figures and writes `tests/benchmarks/results/inpainting.json`. The
generator has its published widths and random weights. The bound on attention is a ratio of 0.55, with a largest
difference of 1e-4.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.benchmarks.timing import medians, write
from whysaid.models.inpainting import discriminator, gated_convolution, generator
from whysaid.models.inpainting.contextual_attention import ContextualAttention

BATCH, SIZE, OBJECTS, RUNS = 4, 256, 8, 5
ATTENTION_BOUND, DIFFERENCE_BOUND = 0.55, 1e-4


def by_convolutions(x: Tensor, masks: Tensor, scale: float = 10.0) -> Tensor:
    """Contextual attention as it is published: image by image, patches as kernels, fusion by an identity kernel."""
    rebuilt = []
    identity = torch.eye(3).view(1, 1, 3, 3)
    for image, mask in zip(x.split(1), masks.split(1), strict=True):
        small, hole = image[..., ::2, ::2], mask[..., ::2, ::2]
        height, width = small.shape[-2:]
        tokens = height * width
        patches = F.unfold(small, 3, padding=1)[0].T.view(tokens, -1, 3, 3)
        raw = F.unfold(image, 4, padding=1, stride=2)[0].T.view(tokens, -1, 4, 4)
        known = (F.unfold(hole, 3, padding=1).mean(1) == 0).float().view(1, tokens, 1, 1)
        norms = patches.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-4)
        scores = F.conv2d(small, patches / norms, padding=1)
        scores = F.conv2d(scores.view(tokens, tokens).T[None, None], identity, padding=1)
        scores = scores.view(height, width, height, width).permute(1, 0, 3, 2).reshape(1, 1, tokens, tokens)
        scores = F.conv2d(scores, identity, padding=1)
        scores = scores.view(width, height, width, height).permute(1, 0, 3, 2).reshape(height, width, tokens)
        weights = (scores.permute(2, 0, 1)[None] * known * scale).softmax(1) * known
        rebuilt.append(F.conv_transpose2d(weights, raw, stride=2, padding=1) / 4)
    return torch.cat(rebuilt)


def pictures(count: int, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Images in [−1, 1] and a hole somewhere in each."""
    drawn = torch.Generator().manual_seed(0)
    images, masks = torch.rand(count, 3, size, size, generator=drawn) * 2 - 1, torch.zeros(count, 1, size, size)
    for mask, (top, left) in zip(masks, torch.randint(0, size // 2, (count, 2), generator=drawn), strict=True):
        mask[:, top : top + size // 4, left : left + size // 3] = 1
    return images, masks


@torch.no_grad()
def attention() -> dict[str, float]:
    """The features of images of 256 pixels: 96 × 64 × 64."""
    _, masks = pictures(BATCH)
    features, holes = torch.randn(BATCH, 96, SIZE // 4, SIZE // 4), masks[..., ::4, ::4]
    ours = ContextualAttention()
    apart = float((ours(features, holes) - by_convolutions(features, holes)).abs().max())
    seconds = medians(
        {"ours": lambda: ours(features, holes), "published": lambda: by_convolutions(features, holes)}, RUNS
    )
    figures = {"ours_cpu_s": seconds["ours"], "published_cpu_s": seconds["published"], "difference": apart}
    return {**figures, "ratio": seconds["ours"] / seconds["published"], "bound": ATTENTION_BOUND}


def set_layout(layout: torch.memory_format) -> None:
    for module in (gated_convolution, generator, discriminator):
        module.LAYOUT = layout  # type: ignore[attr-defined]


def layouts(precision: torch.dtype) -> dict[str, float]:
    """Forward and backward of the generator on two images."""
    model, (images, masks) = generator.Generator(), pictures(2)

    def step(layout: torch.memory_format) -> None:
        set_layout(layout)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            inpainted = model(images, masks)
        (inpainted.coarse.float().abs().mean() + inpainted.fine.float().abs().mean()).backward()

    kinds = {"channels_last": torch.channels_last, "plain": torch.contiguous_format}
    seconds = medians({name: lambda layout=layout: step(layout) for name, layout in kinds.items()}, RUNS)  # type: ignore[misc]
    set_layout(torch.channels_last)
    return {f"{name}_cpu_s": value for name, value in seconds.items()} | {
        "ratio": seconds["channels_last"] / seconds["plain"]
    }


@torch.no_grad()
def counterfactuals(size: int) -> dict[str, float]:
    """A photo without each of its objects: all in one batch, one after another, and as `complete` does it."""
    model = generator.Generator().eval()
    images, masks = pictures(OBJECTS, size)
    images = images[:1].expand(OBJECTS, -1, -1, -1)

    def one_by_one() -> None:
        for i in range(OBJECTS):
            model(images[i : i + 1], masks[i : i + 1])

    kinds: dict[str, Callable[[], object]] = {
        "one_batch": lambda: model(images, masks),
        "one_by_one": one_by_one,
        "default": lambda: model.complete(images, masks),
    }
    seconds = medians(kinds, RUNS)
    best = min(seconds["one_batch"], seconds["one_by_one"])
    return {f"{name}_cpu_s": value for name, value in seconds.items()} | {
        "default_over_best": seconds["default"] / best
    }


def main() -> None:
    torch.manual_seed(0)
    parts = {
        "contextual_attention": attention(),
        "layout_float32": layouts(torch.float32),
        "layout_bfloat16": layouts(torch.bfloat16),
        "counterfactuals_64_px": counterfactuals(64),
        "counterfactuals_256_px": counterfactuals(256),
    }
    for part, figures in parts.items():
        print(part, *(f"  {name:18} {value:10.6f}" for name, value in figures.items()), sep="\n")
    rounded = {part: {name: round(value, 7) for name, value in figures.items()} for part, figures in parts.items()}
    print(write("inpainting", {"batch": BATCH, "size": SIZE, "objects": OBJECTS, "runs": RUNS, **rounded}))
    found = parts["contextual_attention"]
    assert found["ratio"] <= ATTENTION_BOUND and found["difference"] <= DIFFERENCE_BOUND, found


if __name__ == "__main__":
    main()
