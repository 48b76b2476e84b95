"""What a VQA model answers to questions whose right answer is known, and why.

Q questions explained at once, T answers: the right one and, where it is another, the predicted one; H, W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from whysaid.attribution.answers import Answers
from whysaid.attribution.method import Method
from whysaid.attribution.together import attribute_all
from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.datamodule import QuestionData
from whysaid.data.questions.dataset import question_tokens
from whysaid.data.questions.vqa import AskedImage, Question
from whysaid.data.vocabulary import PAD
from whysaid.errors import UserError
from whysaid.tasks.vqa import Answering

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Asked:
    """A question, its photo and its right answer's place in the vocabulary."""

    image: AskedImage
    question: Question
    right: int


@dataclass(frozen=True)
class ExplainedAnswer:
    """What the model answers, and why.

    predicted, confidence: the likeliest answer's place and its probability. pixels: (3, H, W), as encoders see them.
    maps: method → (T, H, W) ≥ 0, of the right answer and, where it is another, of the likeliest.
    """

    predicted: int
    confidence: float
    pixels: Tensor
    maps: dict[str, Array]


def explain(
    task: Answering, data: QuestionData, group: Sequence[Asked], pixels: Tensor, methods: Mapping[str, Method]
) -> list[ExplainedAnswer]:
    """What the model answers to Q questions about pixels (Q, 3, H, W), and each method's maps of the answers."""
    lines = [question_tokens(one.question.text, task.vocabulary)[: data.max_words] for one in group]
    tokens = pad_sequence([torch.tensor(line) for line in lines], True, PAD).to(task.device)
    ids = torch.tensor([[one.question.id] for one in group])
    batch = QuestionBatch(
        torch.tensor([one.image.id for one in group]),
        ids,
        tokens[:, None],
        torch.full((len(group), 1, 1), -1),
        images=pixels.to(task.device),
    )
    with torch.no_grad():
        p, best = task.model(tokens, task.model.features(batch)).float().softmax(1).max(1)
    right = torch.tensor([one.right for one in group]).to(best)
    asked = torch.stack([right, best], 1)[:, : 1 if bool((right == best).all()) else 2]
    found = attribute_all(methods, task.model, batch, Answers(tokens, asked))
    maps = {name: _magnitude(name, explanation.pixels) for name, explanation in found.items()}
    return [
        ExplainedAnswer(
            predicted,
            sure,
            pixels[i],
            {name: v[i, : 1 if predicted == group[i].right else 2] for name, v in maps.items()},
        )
        for i, (predicted, sure) in enumerate(zip(best.tolist(), p.tolist(), strict=True))
    ]


def _magnitude(name: str, pixels: Tensor | None) -> Array:
    """(Q, T, H, W): the largest |value| of the channels."""
    if pixels is None:
        raise UserError(f"{name} has no map of the pixels: leave it out with study.methods.{name}=null")
    found: Array = pixels.detach().abs().amax(2).float().cpu().numpy()
    return found
