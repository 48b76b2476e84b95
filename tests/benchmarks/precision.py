"""What the default layout (channels_last) and bfloat16 save when encoders look at photos, on this machine's CPU.

`python -m tests.benchmarks.precision` prints the figures and writes `tests/benchmarks/results/precision.json`: CPU
seconds of plain float32, and the others as ratios to it. Random weights. In float32 the default layout may cost at most
1.05 of the plain one.
"""

from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor

from tests.benchmarks.timing import medians, write
from whysaid.models.encoders.efficientnet_lite0 import EfficientNetLite0
from whysaid.models.encoders.encoder import Encoder
from whysaid.models.encoders.resnet import ResNet
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.models.encoders.vgg16 import VGG16
from whysaid.run.resolvers import quick_precision

RUNS, BOUND = 5, 1.05

ENCODERS: dict[str, tuple[Callable[[], Encoder], int]] = {
    "vgg16": (lambda: VGG16(weights=None), 2),
    "resnet101": (lambda: ResNet(101, weights=None), 2),
    "efficientnet_lite0": (lambda: EfficientNetLite0(weights=None), 8),
}
"""Photos that are encoded together."""


def look(encoder: Encoder, images: Tensor, plain: bool, precision: torch.dtype, train: bool = False) -> None:
    """A forward, and a backward where the encoder is trained."""
    layout = torch.contiguous_format if plain else torch.channels_last
    enabled = precision == torch.bfloat16
    autocast, grad = torch.autocast("cpu", torch.bfloat16, enabled=enabled), torch.set_grad_enabled(train)
    with patch.object(torch, "channels_last", layout), autocast, grad:
        found = encoder(images).values
    if train:
        found.float().mean().backward()


def compare(make: Callable[[], Encoder], batch: int, train: bool = False) -> dict[str, float]:
    """Both layouts in both precisions, taking turns."""
    ours = make().train(train)
    with patch.object(torch, "channels_last", torch.contiguous_format):
        plain = make().train(train)
    images = torch.randn(batch, 3, ours.preprocessing.size, ours.preprocessing.size)
    kinds = {
        f"{layout}_{name}": partial(look, encoder, images, layout == "plain", precision, train)
        for layout, encoder in (("plain", plain), ("channels_last", ours))
        for name, precision in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }
    seconds = medians(kinds, RUNS)
    base = seconds.pop("plain_float32")
    return {"plain_float32_cpu_s": base} | {name: value / base for name, value in seconds.items()}


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    parts = {name: compare(*chosen) for name, chosen in ENCODERS.items()}
    parts["scenes_cnn, forward and backward"] = compare(ScenesCNN, 32, train=True)
    for part, figures in parts.items():
        print(part, *(f"  {name:24} {value:8.3f}" for name, value in figures.items()), sep="\n")
    rounded = {part: {name: round(value, 4) for name, value in figures.items()} for part, figures in parts.items()}
    print(write("precision", {"quick_precision": quick_precision(), "runs": RUNS, "bound": BOUND, **rounded}))
    slower = {part: found["channels_last_float32"] for part, found in parts.items()}
    assert max(slower.values()) <= BOUND, slower


if __name__ == "__main__":
    main()
