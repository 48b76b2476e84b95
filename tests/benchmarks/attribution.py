"""Explanations against Captum and zennit, in F: CPU time of one forward of the encoder without gradients, at batch 1.

`python -m tests.benchmarks.attribution` prints the table and writes `tests/benchmarks/results/attribution.json`.

VGG16 at 224 px: relevance of conv5_3 → pixels under α1β0, for one word and for ten of one image, with the products of
`conf/attribution/lrp.yaml` (bfloat16 where the processor has it, which F has not) and with float32 ones. The
captioner's part: ten words → regions and embeddings of grid-TD at the paper's sizes, over a teacher-forced forward and
backward. ResNet-50: saliency, DeconvNet, Guided Backprop and Guided Grad-CAM of one word. Weights are random; no figure
depends on them.
Memory is the peak of a process of its own, above what it held with the model loaded.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from captum.attr import LRP as CaptumLRP
from captum.attr import Deconvolution, GuidedBackprop, Saliency
from captum.attr import GuidedGradCam as CaptumGuidedGradCam
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule
from torch import Tensor, nn
from torch.nn import functional as F
from zennit.attribution import Gradient
from zennit.composites import EpsilonPlus

from tests.benchmarks.timing import medians, write
from whysaid.attribution.backward import batched_gradient
from whysaid.attribution.gradient import guided
from whysaid.attribution.gradient import simple as gradients
from whysaid.attribution.gradient.grad_cam import GuidedGradCam
from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.targets import Targets
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import CaptionBatch
from whysaid.data.vocabulary import START
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.resnet import ResNet
from whysaid.models.encoders.vgg16 import VGG16
from whysaid.models.gridtd import GridTD
from whysaid.run.resolvers import quick_dtype

WORDS, VOCABULARY, RUNS = 10, 9000, 3

RULE = rules.alpha_beta(1, 0)
EXACT = Composite(RULE, RULE, rules.epsilon(0.01))
PAPER = replace(EXACT, dtype=quick_dtype())


class Flat(nn.Module):
    """An encoder's regions in the manner of a classifier's logits, for libraries that know nothing else."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.features = encoder.features

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images).flatten(1)


class Word(nn.Module):
    """Images → logits of the first word."""

    def __init__(self, captioner: GridTD):
        super().__init__()
        self.captioner = captioner

    def forward(self, images: Tensor) -> Tensor:
        features = self.captioner.encode(images)
        return self.captioner.unroll(torch.full((len(images), 1), START), features).logits[:, 0]


def lrp_maps(encoder: VGG16, image: Tensor, words: int, composite: Composite = PAPER, chunk: int = 4) -> Tensor:
    """Maps of so many words, `chunk` at a time: LRP's own encoder part."""
    image = image.clone().requires_grad_()
    with composite.applied(encoder):
        regions = encoder(image).values
    seeds = torch.rand(words, *regions.shape, generator=torch.Generator().manual_seed(0))
    return torch.cat([batched_gradient(regions, [image], some)[0] for some in seeds.split(chunk)])


def captum_maps(model: Flat, image: Tensor, words: int) -> None:
    """One word after the other, as Captum does."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.rule = Alpha1_Beta0_Rule()
    for word in range(words):
        CaptumLRP(model).attribute(image, target=word)


def zennit_maps(model: Flat, image: Tensor, words: int) -> None:
    """One word after the other, as zennit does."""
    image = image.clone().requires_grad_()
    for _ in range(words):
        with Gradient(model, EpsilonPlus()) as attributor:
            attributor(image, lambda output: torch.rand_like(output) * output)


def forward(encoder: nn.Module, image: Tensor) -> Callable[[], object]:
    """What F is."""

    @torch.no_grad()
    def run() -> Tensor:
        return encoder(image)

    return run


def vgg16() -> dict[str, float]:
    """One word and ten, in F."""
    encoder, image = VGG16(None).eval(), torch.rand(1, 3, 224, 224)
    model = Flat(encoder)
    kinds: dict[str, Callable[[], object]] = {
        "F": forward(encoder, image),
        "one_word": lambda: lrp_maps(encoder, image, 1),
        "ten_words": lambda: lrp_maps(encoder, image, WORDS),
        "one_word_float32": lambda: lrp_maps(encoder, image, 1, EXACT),
        "ten_words_float32": lambda: lrp_maps(encoder, image, WORDS, EXACT),
        "ten_forwards": forward(encoder, image.repeat(WORDS, 1, 1, 1)),
        "captum_one_word": lambda: captum_maps(model, image, 1),
        "captum_ten_words": lambda: captum_maps(model, image, WORDS),
        "zennit_one_word": lambda: zennit_maps(model, image, 1),
        "zennit_ten_words": lambda: zennit_maps(model, image, WORDS),
    }
    exact = lrp_maps(encoder, image, 1, EXACT)
    off = (lrp_maps(encoder, image, 1) - exact).norm() / exact.norm()
    return {**in_units(medians(kinds, RUNS), "F"), "relative_difference_to_float32": round(float(off), 5)}


def gradient_maps() -> dict[str, float]:
    """Four maps of ResNet-50, in F."""
    encoder = ResNet(50, None)
    captioner = GridTD(encoder, VOCABULARY, 512, 512, 512).eval()
    image, targets = torch.rand(1, 3, 224, 224), Targets(torch.full((1, 1), 7))
    kinds_of = gradients.Saliency, guided.DeconvNet, guided.GuidedBackprop, GuidedGradCam
    methods, exact = ({kind.__name__: kind(dtype=dtype) for kind in kinds_of} for dtype in (quick_dtype(), "float32"))
    word = Word(captioner)
    last = encoder.features[-1] if hasattr(encoder, "features") else encoder.layer4

    def captum() -> None:
        for method in (Saliency(word), Deconvolution(word), GuidedBackprop(word), CaptumGuidedGradCam(word, last)):
            method.attribute(image.clone().requires_grad_(), target=7)

    kinds: dict[str, Callable[[], object]] = {
        "F": forward(encoder, image),
        "four_maps": lambda: attribute_all(methods, captioner, image, targets),
        "four_maps_float32": lambda: attribute_all(exact, captioner, image, targets),
        "captum_four_maps": captum,
    }
    return in_units(medians(kinds, RUNS), "F")


def decoder() -> dict[str, float]:
    """Ten words → regions and embeddings, over a teacher-forced forward and backward of the same caption."""
    captioner = GridTD(RegionFeatures(512), VOCABULARY, 512, 512, 512).eval()
    regions, words = torch.rand(1, 196, 512), torch.randint(4, VOCABULARY, (1, WORDS))
    batch = CaptionBatch(torch.zeros(1, dtype=torch.int64), words[:, None], regions=regions)
    targets = Targets(words)

    def train() -> None:
        captioner.zero_grad()
        logits = captioner.unroll(targets.inputs(), captioner.features(batch)).logits
        F.cross_entropy(logits.flatten(0, 1), words.flatten()).backward()

    lrp = LRP(PAPER, chunk=WORDS)
    kinds: dict[str, Callable[[], object]] = {
        "step": train,
        "ten_words": lambda: lrp.attribute(captioner, batch, targets),
    }
    return in_units(medians(kinds, RUNS), "step")


def in_units(seconds: dict[str, float], unit: str) -> dict[str, float]:
    """Everything over the unit; the unit itself in CPU milliseconds."""
    over = {f"{name}_over_{unit}": round(value / seconds[unit], 2) for name, value in seconds.items() if name != unit}
    return {f"{unit}_cpu_ms": round(1e3 * seconds[unit], 1), **over}


def peak_mib(words: int) -> float:
    """Peak memory of LRP of VGG16 above the loaded model, in MiB: of this process, so one measurement each."""
    encoder, image = VGG16(None).eval(), torch.rand(1, 3, 224, 224)
    loaded = peak_kib()
    lrp_maps(encoder, image, words)
    return (peak_kib() - loaded) / 1024


def peak_kib() -> int:
    """The largest this process has been, in KiB (Linux)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def memory() -> dict[str, float]:
    """Each in a fresh process."""
    command = [sys.executable, "-m", "tests.benchmarks.attribution", "--peak"]
    peaks = {
        name: float(subprocess.run([*command, str(words)], capture_output=True, check=True, text=True).stdout)
        for name, words in (("one_word_mib", 1), ("ten_words_mib", WORDS))
    }
    return {**peaks, "ten_over_one": round(peaks["ten_words_mib"] / peaks["one_word_mib"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peak", type=int, metavar="WORDS", help="print the peak memory for so many words and stop")
    words = parser.parse_args().peak
    torch.manual_seed(0)
    if words:
        print(peak_mib(words))
        return
    result = {
        "vgg16_lrp": vgg16(),
        "vgg16_memory": memory(),
        "gridtd_decoder": decoder(),
        "resnet50_gradients": gradient_maps(),
    }
    for name, figures in result.items():
        print(name, *(f"  {key:28} {value:9.4g}" for key, value in figures.items()), sep="\n")
    print(write("attribution", {"runs": RUNS, **result}))


if __name__ == "__main__":
    main()
