"""LRP of transformers against plain input gradients, and decoding with a cache against decoding without: CPU time.

`python -m tests.benchmarks.transformers` prints the table and writes `tests/benchmarks/results/transformers.json`.

BLIP of transformers' own classes, with random weights, on which no figure depends: once with 4 + 4 layers of width 256
at 224 px, and once with a vision tower of the size of ViT-B/16 under the same decoder. G is the plain input gradients
of all ten words of a caption: one forward, and one backward for all words together. LRP is `attribution=lrp`, with γ in
the tower, or with ε there (`lrp_epsilon`); all words are of one chunk. Its products are those of the configuration,
bfloat16 where the processor has it, which G has not, and float32 ones.
Memory is the peak of a process of its own, above what it held with the model loaded.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from tests.benchmarks.attribution import peak_kib
from tests.benchmarks.timing import medians, report
from whysaid.attribution.backward import batched_gradient
from whysaid.attribution.lrp.composite import TOWER, Composite
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.lrp.rules import epsilon
from whysaid.attribution.targets import Targets
from whysaid.data.vocabulary import END, PAD, START
from whysaid.decoding.greedy import Greedy
from whysaid.models.transformers.sized_blip import BlipVision, SizedBlip
from whysaid.run.resolvers import quick_dtype

WORDS, LENGTH, IMAGES, VOCABULARY, RUNS = 10, 20, 8, 9000, 3

SMALL = {"dim": 256, "hidden_dim": 1024, "layers": 4, "heads": 8}
VIT_B = {"dim": 768, "hidden_dim": 3072, "layers": 12, "heads": 12}

EXACT = TOWER
QUICK = replace(TOWER, dtype=quick_dtype())
WITHOUT_GAMMA = replace(Composite(epsilon(1e-6), epsilon(1e-6), epsilon(1e-6)), dtype=quick_dtype())


class Endless(Greedy):
    """Greedy decoding of captions that never end, so that all are of one length."""

    def __call__(self, captioner: SizedBlip, features: object) -> object:  # type: ignore[override]
        captioner.penalty[END] = -1e4
        return super().__call__(captioner, features)


def blip(tower: dict[str, int]) -> SizedBlip:
    """Four layers of width 256 that write, over a tower of the given sizes."""
    encoder = BlipVision(224, 16, **tower)  # type: ignore[arg-type]
    return SizedBlip(encoder, VOCABULARY, 256, 1024, layers=4, heads=8).eval()


def gradients(model: SizedBlip, image: Tensor, targets: Targets) -> tuple[Tensor, ...]:
    """Gradients of each word's score by pixels and embedded words, without anything of this project around them."""
    with torch.enable_grad():
        image = image.clone().requires_grad_()
        embedded = model.embed(targets.inputs()).detach().requires_grad_()
        scores = targets.scores(model.head(model.read(embedded, model.encode(image)).output[:, targets.places]))
        return batched_gradient(scores, [image, embedded], torch.eye(scores.shape[1])[:, None])


def explaining(tower: dict[str, int], runs: int = RUNS) -> dict[str, float]:
    """Ten words and one, in G."""
    model, image = blip(tower).requires_grad_(False), torch.rand(1, 3, 224, 224)
    words = torch.randint(4, VOCABULARY, (1, WORDS))
    targets, one = Targets(words), Targets(words, [WORDS - 1])
    methods = {"lrp": QUICK, "lrp_epsilon": WITHOUT_GAMMA, "lrp_float32": EXACT}
    ruled = {name: LRP(tower=rules, chunk=WORDS) for name, rules in methods.items()}
    kinds: dict[str, Callable[[], object]] = {
        "G": lambda: gradients(model, image, targets),
        **{name: lambda lrp=lrp: lrp.attribute(model, image, targets) for name, lrp in ruled.items()},  # type: ignore[misc]
        "one_word": lambda: ruled["lrp"].attribute(model, image, one),
    }
    seconds = medians(kinds, runs)
    return {
        "G_cpu_ms": 1e3 * seconds["G"],
        **{f"{name}_over_G": seconds[name] / seconds["G"] for name in methods},
        "ten_words_over_ten_single": seconds["lrp"] / (WORDS * seconds["one_word"]),
    }


@torch.no_grad()
def uncached(model: SizedBlip, features: object) -> Tensor:
    """Greedy decoding that reads all words anew for each."""
    tokens = torch.full((IMAGES, 1), START)
    for _ in range(LENGTH):
        logits = model.unroll(tokens, features).logits[:, -1]
        logits[:, [PAD, START]] = -torch.inf
        tokens = torch.cat([tokens, logits.argmax(1, keepdim=True)], 1)
    return tokens[:, 1:]


@torch.no_grad()
def decoding() -> dict[str, float]:
    """Both write the same words."""
    model = blip(SMALL)
    features, greedy = model.encode(torch.rand(IMAGES, 3, 224, 224)), Endless(LENGTH)
    assert torch.equal(greedy(model, features).tokens[:, 0], uncached(model, features))  # type: ignore[attr-defined]
    seconds = medians({"cached": lambda: greedy(model, features), "uncached": lambda: uncached(model, features)}, RUNS)
    return {"cached_cpu_ms": 1e3 * seconds["cached"], "uncached_over_cached": seconds["uncached"] / seconds["cached"]}


def peak_mib(words: int, chunk: int) -> float:
    """Peak memory of LRP above the loaded model, in MiB: of this process, so one measurement each."""
    model, image = blip(SMALL), torch.rand(1, 3, 224, 224)
    loaded = peak_kib()
    LRP(tower=QUICK, chunk=chunk).attribute(model, image, Targets(torch.full((1, words), 7)))
    return (peak_kib() - loaded) / 1024


def memory() -> dict[str, float]:
    """Each in a fresh process."""
    command = [sys.executable, "-m", "tests.benchmarks.transformers", "--peak"]

    def peak(words: int, chunk: int) -> float:
        ran = subprocess.run([*command, str(words), str(chunk)], capture_output=True, check=True, text=True)
        return float(ran.stdout)

    few, bounded, whole = peak(2, 2), peak(WORDS, 2), peak(WORDS, WORDS)
    return {
        "two_words_mib": few,
        "ten_words_in_twos_mib": bounded,
        "ten_words_at_once_mib": whole,
        "in_twos_over_two": bounded / few,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peak", type=int, nargs=2, metavar=("WORDS", "CHUNK"), help="print the peak memory and stop")
    chosen = parser.parse_args().peak
    torch.manual_seed(0)
    if chosen:
        print(peak_mib(*chosen))
        return
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "blip_width_256": lambda: explaining(SMALL),
        "decoding_20_words": decoding,
        "memory_blip_width_256": memory,
        "blip_vit_b16": lambda: explaining(VIT_B, 1),
    }
    report("transformers", {"words": WORDS, "images": IMAGES, "runs": RUNS}, parts)


if __name__ == "__main__":
    main()
