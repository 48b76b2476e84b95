"""What a training step of grid-TD costs, as ratios of CPU time in one run.

`python -m tests.benchmarks.training` prints the table and writes `tests/benchmarks/results/training.json`. A step is
forward, backward, clipping and Adam, with random weights. In the base it takes five captions of each picture, the
gradient of a weight is computed for each word, as autograd does, and Adam's operations are called one by one.
`gathered` takes one gradient for all words, `fused` Adam in one operation; the last row takes three captions, too.
`scenes` has the sizes of `experiment=gridtd_scenes`, encoder included; `wide` 36 cached regions and an LSTM of 1,000.

To know what a CPU without AVX-512 does, limit the instructions before Python starts: `ONEDNN_MAX_CPU_ISA=AVX2
ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2`.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from unittest.mock import patch

import torch
from torch.nn.utils import clip_grad_norm_

from tests.benchmarks.timing import medians, report
from whysaid.data.batch import CaptionBatch
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.scenes_cnn import ScenesCNN
from whysaid.models.gridtd import GridTD
from whysaid.objectives.cross_entropy import CrossEntropy

SIDE, REGIONS, DIM = 80, 36, 2048


def scenes(captions: int) -> tuple[GridTD, CaptionBatch]:
    """16 pictures of 80 × 80 pixels, captions of 13 words."""
    captioner = GridTD(ScenesCNN((16, 32, 96, 192), SIDE), 90, 256, 256, 64, 0.3)
    said = torch.randint(4, 90, (16, captions, 14))
    return captioner, CaptionBatch(torch.arange(16), said, images=torch.rand(16, 3, SIDE, SIDE))


def wide(captions: int) -> tuple[GridTD, CaptionBatch]:
    """Eight pictures, captions of 16 words, 9,500 words."""
    captioner = GridTD(RegionFeatures(DIM), 9500, 1000, 1000, 512, 0.3)
    said = torch.randint(4, 9500, (8, captions, 17))
    return captioner, CaptionBatch(torch.arange(8), said, regions=torch.rand(8, REGIONS, DIM))


def stepper(
    make: Callable[[int], tuple[GridTD, CaptionBatch]],
    precision: torch.dtype,
    captions: int = 5,
    gathered: bool = True,
    fused: bool = True,
) -> Callable[[], None]:
    """A step of a captioner of its own."""
    torch.manual_seed(0)
    captioner, batch = make(captions)
    optimizer = torch.optim.AdamW(captioner.train().parameters(), fused=fused)

    def step() -> None:
        one = nullcontext() if gathered else patch("whysaid.models.captioner.gathered", lambda model: nullcontext())
        with one, torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            loss, _ = CrossEntropy()(captioner, batch, 0)
        loss.backward()
        clip_grad_norm_(captioner.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(make: Callable[[int], tuple[GridTD, CaptionBatch]], precision: torch.dtype, runs: int) -> dict[str, float]:
    kinds = {
        "base": stepper(make, precision, gathered=False, fused=False),
        "gathered": stepper(make, precision, fused=False),
        "gathered_fused": stepper(make, precision),
        "gathered_fused_three_captions": stepper(make, precision, 3),
    }
    seconds = medians(kinds, runs)
    base = seconds.pop("base")
    return {"base_cpu_s": base} | {f"{name}_over_base": value / base for name, value in seconds.items()}


def main() -> None:
    parts = {
        f"{make.__name__}_{str(kind).partition('.')[2]}": partial(measure, make, kind, runs)
        for make, runs in ((scenes, 9), (wide, 3))
        for kind in (torch.float32, torch.bfloat16)
    }
    report("training", {"capability": torch.backends.cpu.get_cpu_capability()}, parts)


if __name__ == "__main__":
    main()
