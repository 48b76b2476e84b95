"""What it costs to hallucinate less, as ratios of CPU time in one run.

`python -m tests.benchmarks.hallucination` prints the table and writes `tests/benchmarks/results/hallucination.json`.

Beam 3 with a contrast against the mean features, and with a filter of unsupported objects, over beam 3 without, from
the cached features of 25 images; a step of counterfactual training over one of cross-entropy, 16 images × 5 captions,
with cached features of pictures and of fills; and what support adds to an explanation. Captioners have the sizes of the
papers and random weights, V = 9,500: grid-TD over the 196 regions of VGG16, and up-down attention over 36 regions,
which ends its captions after ten to twelve words.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
from torch.nn import functional as F

from tests.benchmarks.decoding import D as WIDE
from tests.benchmarks.decoding import UpDown
from tests.benchmarks.objectives import VOCABULARY, V, caption, corpus, optimisation, tokens
from tests.benchmarks.timing import medians, report
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.lrp.rules import alpha_beta, epsilon
from whysaid.attribution.support.evidence import read_evidence
from whysaid.attribution.support.logistic import Logistic
from whysaid.attribution.support.support import Support
from whysaid.attribution.support.words import ObjectSupport
from whysaid.attribution.targets import Targets
from whysaid.data.batch import CaptionBatch, ChangedPictures, Pictures
from whysaid.data.object_words import ObjectWords
from whysaid.data.vocabulary import START
from whysaid.decoding.beam import Beam
from whysaid.decoding.contrast.absent import Mean
from whysaid.decoding.contrast.rules import M3ID, VCD
from whysaid.decoding.decoder import describe
from whysaid.decoding.support.known import with_support
from whysaid.decoding.support.unsupported import Unsupported
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.vgg16 import VGG16
from whysaid.models.gridtd import GridTD
from whysaid.objectives.counterfactual import Counterfactual
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.run.resolvers import quick_dtype

IMAGES, WIDTH, RUNS = 25, 3, 3
REGIONS, DIM = 196, 512

OBJECTS = ObjectWords({f"w{i}": [] for i in range(1, 250)})
SUPPORT = ObjectSupport(Support("random weights", {("log_p", "contrast"): Logistic([1.0, 1.0], 2.0)}), OBJECTS)
"""As many object words as COCO has, some of which are forbidden."""


@torch.no_grad()
def contrast(captioner: Captioner, regions: torch.Tensor) -> dict[str, float]:
    """Beam search of a batch, the projection of its features included."""
    captioner.eval()
    captioner.mean_regions = regions.mean(0)
    beam = Beam(WIDTH, captions=1)
    forbidding = with_support(replace(beam, filters=(Unsupported(),)), SUPPORT, VOCABULARY)
    decoders = {
        "plain": beam,
        "vcd": replace(beam, contrast=VCD(Mean())),
        "m3id": replace(beam, contrast=M3ID(Mean())),
        "unsupported": forbidding,
    }
    kinds = {
        name: partial(describe, decoder, captioner, Pictures(regions=regions)) for name, decoder in decoders.items()
    }
    seconds = medians(kinds, RUNS)
    return {
        **{f"{name}_s": value for name, value in seconds.items()},
        **{f"{name}_over_plain": seconds[name] / seconds["plain"] for name in decoders if name != "plain"},
        "bound": 1.7,
    }


def counterfactual() -> dict[str, float]:
    """One changed picture of each of 16, two of whose five captions name what was taken out."""
    torch.manual_seed(0)
    captioner = GridTD(RegionFeatures(DIM), V)
    captions = corpus(np.random.default_rng(0), 16)
    said = F.pad(tokens([captions[i] for i in range(16)]), (1, 0), value=START)
    batch = CaptionBatch(torch.arange(16), said, regions=torch.randn(16, REGIONS, DIM).relu().half())
    fills = Pictures(regions=torch.randn(16, REGIONS, DIM).relu().half())
    places = torch.full((16, 5), -1)
    places[:, :2] = 5
    batch.changed = ChangedPictures(fills, torch.arange(16), torch.zeros(16, dtype=torch.int64), places)
    objective = Counterfactual()
    words = ObjectWords({"w1": ["w1", "w2"]})
    objective.prepare(captioner, SimpleNamespace(object_words=words, vocabulary=VOCABULARY, changes=object()))  # type: ignore[arg-type]
    kinds = {
        "counterfactual": optimisation(captioner, objective, batch),
        "xe": optimisation(captioner, CrossEntropy(), batch),
    }
    seconds = medians(kinds, RUNS)
    return {
        "xe_step_s": seconds["xe"],
        "counterfactual_step_s": seconds["counterfactual"],
        "counterfactual_over_xe": seconds["counterfactual"] / seconds["xe"],
        "bound": 2.2,
    }


def support() -> dict[str, float]:
    """The words of one photo explained by LRP through VGG16, and their support beside that.

    What the support takes is known of the passes that explain; the log-probabilities with and without the picture are
    read once more from features that are there.
    """
    torch.manual_seed(0)
    captioner = GridTD(VGG16(None), V).eval()
    captioner.mean_regions = torch.randn(REGIONS, DIM).relu()
    rule = alpha_beta()
    lrp = LRP(Composite(rule, rule, epsilon(), quick_dtype()))
    batch, said = Pictures(torch.randn(1, 3, 224, 224)), tokens([[caption(np.random.default_rng(0))]])[:, 0]
    explain = partial(lrp.attribute, captioner, batch, Targets(said))
    with torch.no_grad():
        features = captioner.features(batch)
    kinds = {"explain": explain, "evidence": lambda: read_evidence(captioner, features, said)}
    seconds = medians(kinds, RUNS)
    return {
        "explain_s": seconds["explain"],
        "evidence_s": seconds["evidence"],
        "with_support_over_without": 1 + seconds["evidence"] / seconds["explain"],
        "bound": 1.05,
    }


def main() -> None:
    torch.manual_seed(0)
    about = {"images": IMAGES, "width": WIDTH, "runs": RUNS}
    gridtd, updown = GridTD(RegionFeatures(DIM), V), UpDown()
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "contrast_gridtd": lambda: contrast(gridtd, torch.randn(IMAGES, REGIONS, DIM).relu()),
        "contrast_updown": lambda: contrast(updown, torch.randn(IMAGES, 36, WIDE).relu()),
        "counterfactual_step": counterfactual,
        "support_in_explain": support,
    }
    report("hallucination", about, parts)


if __name__ == "__main__":
    main()
