"""Two processes with half a batch each make the gradient of one process with all of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import start_processes

from tests.attribution.tiny import captioner
from tests.attribution.tiny import lrp as rules
from tests.objectives.tiny import data, with_regions
from whysaid.data.batch import CaptionBatch, QuestionBatch
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.saaa import SAAA
from whysaid.objectives.cider_d import CIDErD
from whysaid.objectives.context_relevance import ContextRelevance
from whysaid.objectives.cross_entropy import CrossEntropy
from whysaid.objectives.image_relevance import ImageRelevance
from whysaid.objectives.lrp_inference import LRPInference
from whysaid.objectives.self_critical import SelfCritical
from whysaid.objectives.soft_answers import SoftAnswers


def scst(**settings: Any) -> SelfCritical:
    """What is drawn depends on the probabilities alone."""
    rewards = {"CIDEr-D": {"weight": 1.0, "score": CIDErD()}}
    made = SelfCritical(rewards, baseline="greedy", samples=1, max_length=6, **settings)  # type: ignore[arg-type]
    made.sampler.draw = pick  # type: ignore[method-assign]
    return made


def pick(log_p: Tensor) -> Tensor:
    """In place of chance."""
    return torch.where(log_p.isfinite(), log_p + 3 * torch.sin(1e3 * log_p), log_p).argmax(-1)


OBJECTIVES: dict[str, Callable[[], Any]] = {
    "xe": CrossEntropy,
    "scst": scst,
    "scst and xe": lambda: scst(xe_share=0.2),
    "lrp_context": lambda: LRPInference(ContextRelevance()),
    "lrp_image": lambda: LRPInference(ImageRelevance(rules())),
}


def half(batch: CaptionBatch, rank: int | None) -> CaptionBatch:
    """One image; they have captions of 5, 5 and 4 words, and of 3 and 2."""
    chosen = slice(None) if rank is None else slice(rank, rank + 1)
    assert batch.regions is not None and batch.mask is not None
    images, said = batch.image_ids[chosen], batch.captions[chosen]
    return CaptionBatch(images, said, regions=batch.regions[chosen], mask=batch.mask[chosen])


def gradient(name: str, rank: int | None) -> list[Tensor]:
    model = captioner("gridtd").eval()
    nn.init.normal_(model.vocabulary_layer.weight, std=4.0)
    objective = OBJECTIVES[name]()
    objective.prepare(model, data())
    return derived(model, objective(model, half(with_regions(), rank), 0)[0])


def answered(name: str, rank: int | None) -> list[Tensor]:
    """Two images, with one question and with two."""
    torch.manual_seed(0)
    model = SAAA(RegionFeatures(3), 9, answers=4, embed_dim=3, hidden_dim=4, attention_dim=3, classifier_dim=4).double()
    ids = torch.tensor([[1, -1], [2, 3]])
    questions, answers = torch.randint(4, 9, (2, 2, 3)), torch.randint(0, 4, (2, 2, 10))
    regions = torch.rand(2, 4, 3, dtype=torch.float64)
    rows = slice(None) if rank is None else slice(rank, rank + 1)
    batch = QuestionBatch(torch.tensor([1, 2])[rows], ids[rows], questions[rows], answers[rows], regions=regions[rows])
    return derived(model.eval(), SoftAnswers()(model, batch, 0)[0])


def derived(model: nn.Module, loss: Tensor) -> list[Tensor]:
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(model.parameters(), gradients, strict=True)]


def process(rank: int, folder: str, make: Callable[[str, int | None], list[Tensor]], name: str) -> None:
    """What one of two processes does; the mean of their gradients is what Lightning applies."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    mean = make(name, rank)
    for part in mean:
        dist.all_reduce(part)
    torch.save([part / 2 for part in mean], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("name", [*OBJECTIVES, "answers"])
def test_half_a_batch_each(name: str, tmp_path: Path) -> None:
    make = answered if name == "answers" else gradient
    start_processes(process, (str(tmp_path), make, name), nprocs=2, start_method="fork")
    whole = make(name, None)
    assert max(part.abs().max() for part in whole) > 1e-4
    for rank in (0, 1):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), whole, rtol=1e-9, atol=1e-12)
