"""What rewards and explanations cost in training, as ratios of CPU time in one run.

`python -m tests.benchmarks.objectives` prints the table and writes `tests/benchmarks/results/objectives.json`.

Captioners have the sizes of the papers and random weights, V = 9,500. Half of the explained words are stop words, as in
captions of COCO (46 %).
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from pycocoevalcap.cider.cider_scorer import CiderScorer, cook_test
from torch import Tensor
from torch.nn import functional as F

from tests.benchmarks.decoding import SCALE, H, UpDown
from tests.benchmarks.timing import medians, report
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.lrp import LRP
from whysaid.attribution.lrp.rules import alpha_beta, epsilon
from whysaid.data.batch import CaptionBatch
from whysaid.data.captions.document_frequency import DocumentFrequencies, ngrams
from whysaid.data.captions.stop_words import STOP_WORDS
from whysaid.data.vocabulary import END, PAD, SPECIALS, START, Vocabulary
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.vgg16 import VGG16
from whysaid.models.gridtd import GridTD
from whysaid.models.word_captioner import Features, WordCaptioner
from whysaid.objectives.cider_d import CIDErD
from whysaid.objectives.content_words import content_words
from whysaid.objectives.context_relevance import ContextRelevance
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.image_relevance import ImageRelevance
from whysaid.objectives.lrp_inference import LRPInference
from whysaid.objectives.references import References, Sampled
from whysaid.objectives.self_critical import SelfCritical
from whysaid.run.resolvers import quick_dtype

V, IMAGES, REFERENCES, SAMPLES, ROUNDS = 9500, 60, 5, 5, 7
STOP = sorted(STOP_WORDS)
LENGTHS = [0.0] * 7 + [0.8, 15.0, 21.8, 21.6, 15.6, 10.3, 6.1, 3.6, 1.8, 1.1, 0.8, 0.4, 0.4, 0.8]
"""Per cent of 13,140 captions of COCO that have 0, 1, 2 … words; the last: or more."""
VOCABULARY = Vocabulary([*SPECIALS, *STOP, *(f"w{i}" for i in range(V - len(SPECIALS) - len(STOP)))])


def caption(random: np.random.Generator) -> str:
    """Eight to twelve words, every other a stop word; few words make up most of the others."""
    number = int(random.integers(8, 13))
    content = np.minimum(random.zipf(1.3, number), V - len(SPECIALS) - len(STOP) - 1)
    return " ".join(STOP[random.integers(12)] if i % 2 else f"w{content[i]}" for i in range(number))


def corpus(random: np.random.Generator, images: int) -> dict[int, list[str]]:
    return {image: [caption(random) for _ in range(REFERENCES)] for image in range(images)}


def tokens(texts: list[list[str]], length: int = 13) -> Tensor:
    """(B, n, T) without `<start>`."""
    rows = [[VOCABULARY.encode(text.split())[1:] for text in captions] for captions in texts]
    return torch.tensor([[row + [PAD] * (length - len(row)) for row in captions] for captions in rows])


def data(captions: dict[int, list[str]]) -> Any:
    """What objectives take of a data module."""
    encoded = ([VOCABULARY.encode(text.split()) for text in texts] for texts in captions.values())
    frequencies = DocumentFrequencies.build(encoded, V)
    return SimpleNamespace(
        references=lambda split: captions,
        vocabulary=VOCABULARY,
        max_words=30,
        corpus=SimpleNamespace(document_frequencies=frequencies),
    )


class COCOLengths(UpDown):
    """An up-down captioner that ends its captions when people do, some of them late."""

    logits_of = Captioner.logits_of  # those of this head

    def head(self, output: Tensor) -> Tensor:
        said = output[..., H].long().clamp(max=len(LENGTHS) - 1)
        share = torch.tensor(LENGTHS)
        hazard = (share / share.flip(0).cumsum(0).flip(0)).clamp(1e-6, 1 - 1e-6)
        logits = WordCaptioner.head(self, output[..., :H]).mul(SCALE)
        others = logits.detach().logsumexp(-1) + hazard.logit()[said]
        return torch.cat([logits[..., :END], others[..., None], logits[..., END + 1 :]], -1)


class Frequency(dict[tuple[str, ...], float]):
    """Document frequencies of n-grams of words, each looked up once."""

    def __init__(self, packed: DocumentFrequencies):
        super().__init__()
        self.packed = packed

    def __missing__(self, gram: tuple[str, ...]) -> float:
        indices = [VOCABULARY.index[word] for word in gram]
        self[gram] = float(self.packed(ngrams(indices, len(gram)))[0])
        return self[gram]


class Published:
    """pycocoevalcap's CIDEr-D with its references counted beforehand, and document frequencies given."""

    def __init__(self, captions: dict[int, list[str]], frequencies: DocumentFrequencies):
        scorer = CiderScorer()
        for image in range(IMAGES):
            scorer += (captions[image][0], [f"{text} <end>" for text in captions[image]])
        self.references = scorer.crefs
        self.documents = frequencies.documents
        self.frequency = Frequency(frequencies)

    def __call__(self, images: list[int], hypotheses: list[list[str]]) -> np.ndarray:
        documents = self.documents

        class Documents(list):  # type: ignore[type-arg]
            def __len__(self) -> int:
                return documents

        scorer = CiderScorer()
        for texts in hypotheses:
            for text in texts:
                scorer.ctest.append(cook_test(text))
        scorer.crefs = Documents(self.references[i] for i, texts in zip(images, hypotheses, strict=True) for _ in texts)
        scorer.document_frequency = self.frequency
        return np.array(scorer.compute_cider()).reshape(len(images), -1)


def rewards(captions: dict[int, list[str]], frequencies: DocumentFrequencies) -> dict[str, float]:
    """300 hypotheses × 5 references."""
    random = np.random.default_rng(1)
    ids = list(range(IMAGES))
    texts = [[caption(random) for _ in range(SAMPLES - 1)] + [captions[i][0]] for i in ids]
    said = tokens(texts).numpy().astype(np.int32)
    references, ours, published = References(captions, VOCABULARY), CIDErD(), Published(captions, frequencies)
    ours.prepare(SimpleNamespace(corpus=SimpleNamespace(document_frequencies=frequencies)))  # type: ignore[arg-type]
    ended = [[f"{text} <end>" for text in row] for row in texts]
    kinds: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(Sampled(ids, said, references(ids))),
        "pycocoevalcap": lambda: published(ids, ended),
    }
    difference = np.abs(kinds["ours"]() - kinds["pycocoevalcap"]()).max()
    seconds = medians(kinds, ROUNDS)
    return {
        "ours_ms": seconds["ours"] * 1e3,
        "pycocoevalcap_ms": seconds["pycocoevalcap"] * 1e3,
        "largest_difference": float(difference),
        "pycocoevalcap_over_ours": seconds["pycocoevalcap"] / seconds["ours"],
        "bound": 20,
    }


def optimisation(captioner: Captioner, objective: Callable[..., Any], batch: CaptionBatch) -> Callable[[], object]:
    """Loss and backward of one step."""
    parameters = [parameter for parameter in captioner.parameters() if parameter.requires_grad]

    def run() -> None:
        loss, _ = objective(captioner, batch, 0)
        torch.autograd.grad(loss, parameters, allow_unused=True)

    return run


def even(captioner: Captioner, batch: CaptionBatch) -> None:
    """Raises stop words until they are the most probable word at half of the places."""
    with torch.no_grad():
        logits = captioner.eval().unroll(batch.captions.flatten(0, 1)[:, :-1], captioner.features(batch)).logits
        content = content_words(VOCABULARY)
        ahead = logits[..., content].amax(-1) - logits[..., ~content].amax(-1)
        captioner.vocabulary_layer.bias[~content] += ahead.median()
    captioner.train()


def context(captions: dict[int, list[str]]) -> dict[str, float]:
    """LRP-inference through the vocabulary layer, cached VGG16 features, 16 images × 5 captions."""
    torch.manual_seed(0)
    captioner = GridTD(RegionFeatures(512), V)
    said = F.pad(tokens([captions[i] for i in range(16)]), (1, 0), value=START)
    batch = CaptionBatch(torch.arange(16), said, regions=torch.randn(16, 196, 512).relu())
    even(captioner, batch)
    objective = LRPInference(ContextRelevance())
    objective.prepare(captioner, SimpleNamespace(vocabulary=VOCABULARY))  # type: ignore[arg-type]
    _, logs = objective(captioner, batch, 0)
    kinds = {"lrp": optimisation(captioner, objective, batch), "xe": optimisation(captioner, CrossEntropy(), batch)}
    seconds = medians(kinds, ROUNDS)
    return {
        "xe_step_s": seconds["xe"],
        "lrp_step_s": seconds["lrp"],
        "explained_words": float(logs["explained"]),
        "lrp_over_xe": seconds["lrp"] / seconds["xe"],
        "bound": 1.25,
    }


def image(captions: dict[int, list[str]], images: int = 2) -> dict[str, float]:
    """LRP-inference through VGG16 to the pixels."""
    torch.manual_seed(0)
    encoder = VGG16(None).eval().requires_grad_(False)
    captioner = GridTD(encoder, V)
    said = F.pad(tokens([captions[i][:1] for i in range(images)]), (1, 0), value=START)
    batch = CaptionBatch(torch.arange(images), said, images=torch.randn(images, 3, 224, 224))
    rule = alpha_beta()
    objective = LRPInference(ImageRelevance(LRP(Composite(rule, rule, epsilon(), quick_dtype()))), explain="target")
    objective.prepare(captioner, SimpleNamespace(vocabulary=VOCABULARY))  # type: ignore[arg-type]
    words = int(content_words(VOCABULARY)[said].flatten(1).sum(1).max())

    @torch.no_grad()
    def forward() -> None:
        encoder(batch.images)

    kinds: dict[str, Callable[[], object]] = {
        "lrp": optimisation(captioner, objective, batch),
        "xe": optimisation(captioner, CrossEntropy(), batch),
        "forward": forward,
    }
    seconds = medians(kinds, 5)
    return {
        "forward_s": seconds["forward"],
        "xe_step_s": seconds["xe"],
        "lrp_step_s": seconds["lrp"],
        "explained_words_per_image": words,
        "forwards_on_top_of_xe": (seconds["lrp"] - seconds["xe"]) / seconds["forward"],
        "bound": 2.2 + 0.8 * words,
    }


def straightforward(captioner: Captioner, batch: CaptionBatch, reward: Published, samples: int, length: int) -> Tensor:
    """Self-critical training as published code has it: greedy, then sampling with gradients on copies of the features,
    twenty words unless all have ended, and a reward of strings."""
    own = captioner.features(batch)
    copied = Features(*(part.repeat_interleave(samples, 0) for part in (own.values, own.keys, own.pooled)))
    ids, texts, log_p = batch.image_ids.tolist(), [], torch.zeros(0)
    for features, sampled in ((own, False), (copied, True)):
        with torch.set_grad_enabled(sampled):
            state, word = captioner.start(features), torch.full((len(features),), START)
            ended, said, kept = torch.zeros(len(features), dtype=torch.bool), [], []
            for _ in range(length):
                step = captioner.step(word, state, features)
                log_probs = step.logits.log_softmax(-1)
                word = log_probs.exp().multinomial(1)[:, 0] if sampled else log_probs.argmax(-1)
                kept.append(log_probs.gather(1, word[:, None])[:, 0].masked_fill(ended, 0))
                said.append(word.masked_fill(ended, PAD))
                ended, state = ended | (word == END), step.state
                if ended.all():
                    break
            log_p = torch.stack(kept, 1)
        rows = torch.stack(said, 1).view(len(ids), -1, len(said)).tolist()
        texts.append([[" ".join(VOCABULARY.words[w] for w in row if w != PAD) for row in group] for group in rows])
    greedy, drawn = (reward(ids, group) for group in texts)
    advantage = torch.from_numpy(drawn - greedy).to(log_p).flatten()
    return -(advantage * log_p.sum(1)).mean()


def self_critical(captions: dict[int, list[str]], frequencies: DocumentFrequencies) -> dict[str, float]:
    """10 images × 5 samples of an up-down captioner (36 regions, H = 1000)."""
    torch.manual_seed(0)
    captioner = COCOLengths()
    ids = torch.arange(10)
    batch = CaptionBatch(ids, torch.tensor([[[START, END]]] * 10), regions=torch.randn(10, 36, 2048).relu())
    objective = SelfCritical({"CIDEr-D": {"weight": 1.0, "score": CIDErD()}}, samples=SAMPLES)
    objective.prepare(captioner, data(captions))
    published = Published(captions, frequencies)
    drawn = objective.sampler(captioner, captioner.features(batch)).tokens

    def naive(captioner: Captioner, batch: CaptionBatch, step: int) -> tuple[Tensor, None]:
        return straightforward(captioner, batch, published, SAMPLES, 20), None

    kinds = {
        "nsc": optimisation(captioner, objective, batch),
        "straightforward": optimisation(captioner, naive, batch),
        "reward": lambda: objective.rewards(ids, drawn),
    }
    seconds = medians(kinds, ROUNDS)
    return {
        "nsc_step_s": seconds["nsc"],
        "straightforward_step_s": seconds["straightforward"],
        "nsc_over_straightforward": seconds["nsc"] / seconds["straightforward"],
        "bound": 0.75,
        "reward_share_of_step": seconds["reward"] / seconds["nsc"],
        "reward_bound": 0.02,
    }


def main() -> None:
    captions = corpus(np.random.default_rng(0), 20000)
    frequencies = data(captions).corpus.document_frequencies
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "rewards_300_x_5": lambda: rewards(captions, frequencies),
        "context_step": lambda: context(captions),
        "image_step": lambda: image(captions),
        "self_critical_step": lambda: self_critical(captions, frequencies),
    }
    report("objectives", {"vocabulary": V, "rounds": ROUNDS}, parts)


if __name__ == "__main__":
    main()
