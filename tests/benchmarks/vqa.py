"""A VQA training step against the published layout, four maps of an answer against Captum one by one, and the
similarities of maps against SciPy and NumPy pair by pair: CPU time.

`python -m tests.benchmarks.vqa` prints the table and writes `tests/benchmarks/results/vqa.json`.

The step: 128 questions of 14 words about 128 images of 2048 × 14 × 14 float32 features, 3,000 answers: forward, loss,
backward and Adam. The published layout normalises a copy of the feature maps, convolves 1 × 1, tiles the question over
them, draws a random number for every element that dropout may drop, and multiplies maps and attention before it sums.
The maps: saliency, DeconvNet, Guided Backprop and Guided Grad-CAM of the likeliest answer, ResNet-50 at 224 px, with
the products of `conf/attribution/`, and with float32 ones, which are compared (Captum enlarges Grad-CAM by nearest
regions).
The similarities: all of `human_attention`, of six maps with three people's, 448 × 448 float32, as both stand in memory.
Weights are random; no figure depends on them.
"""

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import Deconvolution, GuidedBackprop, Saliency
from captum.attr import GuidedGradCam as CaptumGuidedGradCam
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from tests.benchmarks.timing import medians, write
from whysaid.attribution.answers import Answers
from whysaid.attribution.gradient import guided, simple
from whysaid.attribution.gradient.grad_cam import GuidedGradCam
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import QuestionBatch
from whysaid.metrics.human_attention import prepare, similarities, squared
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.resnet import ResNet
from whysaid.models.saaa import SAAA
from whysaid.objectives.soft_answers import SoftAnswers
from whysaid.run.resolvers import quick_dtype

B, S, D, SIDE, WORDS, ANSWERS, PEOPLE = 128, 14, 2048, 14, 12_000, 3_000, 10
RUNS = 5


class Published(nn.Module):
    """Show, Ask, Attend, and Answer on feature maps (B, D, h, w), as papers and their code lay it out."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 300, padding_idx=0)
        self.lstm = nn.LSTM(300, 1024, batch_first=True)
        self.key = nn.Conv2d(D, 512, 1, bias=False)
        self.query = nn.Linear(1024, 512)
        self.score = nn.Conv2d(512, 2, 1)
        self.hidden_layer = nn.Linear(2 * D + 1024, 1024)
        self.answer_layer = nn.Linear(1024, ANSWERS)
        self.dropout = nn.Dropout(0.5)

    def forward(self, maps: Tensor, questions: Tensor, lengths: Tensor) -> Tensor:
        read = self.dropout(self.embedding(questions)).tanh()
        packed = nn.utils.rnn.pack_padded_sequence(read, lengths, batch_first=True, enforce_sorted=False)
        _, (_, cell) = self.lstm(packed)
        q = cell.squeeze(0)
        maps = maps / (maps.norm(dim=1, keepdim=True) + 1e-8)
        tiled = self.query(self.dropout(q))[:, :, None, None].expand(-1, -1, SIDE, SIDE)
        compared = (self.key(self.dropout(maps)) + tiled).relu()
        weights = self.score(self.dropout(compared)).flatten(2).softmax(2)
        glimpses = (weights.unsqueeze(2) * maps.flatten(2).unsqueeze(1)).sum(3).flatten(1)
        joined = self.dropout(torch.cat([glimpses, q], 1))
        return self.answer_layer(self.dropout(self.hidden_layer(joined).relu()))


def asked() -> QuestionBatch:
    """128 questions, each about an image of its own."""
    ids, answers = torch.arange(B), torch.randint(ANSWERS, (B, 1, PEOPLE))
    regions = torch.rand(B, SIDE * SIDE, D)
    return QuestionBatch(ids, ids[:, None], torch.randint(4, WORDS, (B, 1, S)), answers, regions=regions)


def training_step() -> dict[str, float]:
    """CPU seconds of both, and their ratio."""
    batch = asked()
    assert batch.regions is not None
    maps = batch.regions.transpose(1, 2).unflatten(2, (SIDE, SIDE)).contiguous()
    shares = torch.zeros(B, ANSWERS).scatter_add_(1, batch.answers[:, 0], torch.full((B, PEOPLE), 1 / PEOPLE))
    lengths = torch.full((B,), S)
    own, published, objective = SAAA(RegionFeatures(D), WORDS, ANSWERS), Published(), SoftAnswers()
    steps = {model: torch.optim.Adam(model.parameters(), 1e-3) for model in (own, published)}

    def step(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
        def run() -> None:
            steps[model].zero_grad()
            loss().backward()
            steps[model].step()

        return run

    def theirs() -> Tensor:
        return -(shares * published(maps, batch.questions[:, 0], lengths).log_softmax(1)).sum(1).mean()

    kinds: dict[str, Callable[[], object]] = {
        "step": step(own, lambda: objective(own, batch, 0)[0]),
        "published": step(published, theirs),
    }
    seconds = medians(kinds, RUNS)
    return {
        **{f"{kind}_cpu_s": round(value, 2) for kind, value in seconds.items()},
        "step_over_published": round(seconds["step"] / seconds["published"], 3),
    }


class Answer(nn.Module):
    """Images → logits of the answers to one question."""

    def __init__(self, model: SAAA, question: Tensor):
        super().__init__()
        self.model, self.question = model, question

    def forward(self, images: Tensor) -> Tensor:
        return self.model(self.question, self.model.encode(images))


def four_maps() -> dict[str, float]:
    """CPU seconds of both, their ratio, and how far the maps differ, as a share of the largest value."""
    encoder = ResNet(50, None)
    model = SAAA(encoder, WORDS, ANSWERS).eval()
    image, question = torch.rand(1, 3, 224, 224), torch.randint(4, WORDS, (1, 7))
    answer = Answer(model, question)
    with torch.no_grad():
        target = int(answer(image).argmax())
    kinds = {
        "saliency": simple.Saliency,
        "deconvnet": guided.DeconvNet,
        "guided_backprop": guided.GuidedBackprop,
        "guided_grad_cam": GuidedGradCam,
    }
    quick, methods = ({name: kind(dtype=dtype) for name, kind in kinds.items()} for dtype in (quick_dtype(), "float32"))
    peers = Saliency(answer), Deconvolution(answer), GuidedBackprop(answer), CaptumGuidedGradCam(answer, encoder.layer4)
    found: dict[str, dict[str, Tensor]] = {}

    def ours() -> None:
        explained = attribute_all(methods, model, image, Answers(question))
        found["ours"] = {name: one.pixels[0, 0] for name, one in explained.items() if one.pixels is not None}

    def captum() -> None:
        maps = [peer.attribute(image.clone().requires_grad_(), target=target)[0].detach() for peer in peers]
        found["captum"] = dict(zip(methods, maps, strict=True))

    def rounded() -> None:
        attribute_all(quick, model, image, Answers(question))

    seconds = medians({"shared": rounded, "shared_float32": ours, "captum": captum}, RUNS)
    differ = {
        f"{name}_differs": float((found["ours"][name] - theirs).abs().max() / theirs.abs().max())
        for name, theirs in found["captum"].items()
    }
    return {
        **{f"{kind}_cpu_s": round(value, 3) for kind, value in seconds.items()},
        "shared_over_captum": round(seconds["shared"] / seconds["captum"], 3),
        "shared_float32_over_captum": round(seconds["shared_float32"] / seconds["captum"], 3),
        **{name: float(f"{value:.1e}") for name, value in differ.items()},
    }


def pair(a: NDArray[np.floating], b: NDArray[np.floating]) -> dict[str, float]:
    """The similarities of two maps (S, S) by SciPy and NumPy."""
    flat = a.ravel(), b.ravel()
    ranged = [(m - m.min()) / ((m - m.min()).max() + 1e-6) for m in flat]
    first, second = (m / (m.sum() + 1e-6) for m in ranged)
    found = {"spearman": float(spearmanr(*flat).statistic), "intersect": float(first @ second)}
    number = round(0.1 * a.size)
    topk = [m > np.partition(m, -number - 1)[-number - 1] for m in flat]
    value = [(m - m.mean()) / (m.std() + 1e-6) > 1 for m in ranged]
    for kind, (x, y) in {"topk": topk, "value": value}.items():
        both = float(np.logical_and(x, y).sum())
        precision, recall = both / x.sum(), both / y.sum()
        found |= {
            f"{kind}_disc_intersect": both,
            f"{kind}_iou": both / np.logical_or(x, y).sum(),
            f"{kind}_dice": 2 * both / (x.sum() + y.sum()),
            f"{kind}_precision": precision,
            f"{kind}_recall": recall,
            f"{kind}_f1": 2 * precision * recall / (precision + recall),
        }
    return found


def map_similarities() -> dict[str, float]:
    """CPU seconds of both, their ratio, and how far they differ at most, as a share."""
    coarse = np.random.default_rng(0).random((9, 56, 56))
    maps = squared(coarse, 448)  # smooth, without ties, as maps and blurred strokes are
    methods, people = maps[:6], maps[6:]
    found: dict[str, dict[str, NDArray[np.floating]]] = {}

    def ours() -> None:
        found["ours"] = similarities(prepare(methods), prepare(people))

    def one_by_one() -> None:
        pairs = [[pair(a, b) for b in people] for a in methods]
        found["scipy"] = {name: np.array([[one[name] for one in row] for row in pairs]) for name in pairs[0][0]}

    seconds = medians({"shared": ours, "scipy": one_by_one}, 5)
    differ = max(float(np.abs(found["ours"][name] / values - 1).max()) for name, values in found["scipy"].items())
    return {
        **{f"{kind}_cpu_s": round(value, 3) for kind, value in seconds.items()},
        "shared_over_scipy": round(seconds["shared"] / seconds["scipy"], 3),
        "differs": float(f"{differ:.1e}"),
    }


def main() -> None:
    torch.manual_seed(0)
    result = {"training_step": training_step(), "four_maps": four_maps(), "map_similarities": map_similarities()}
    for name, figures in result.items():
        print(name, *(f"  {key:28} {value:10.3g}" for key, value in figures.items()), sep="\n")
    print(write("vqa", {"batch": B, "runs": RUNS, **result}))


if __name__ == "__main__":
    main()
