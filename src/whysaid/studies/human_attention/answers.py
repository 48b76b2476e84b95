"""What a VQA model answers to questions whose right answer is known, and why.

Q questions explained at once, T answers: the right one and, where it is another, the predicted one; H, W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from whysaid.attribution.answers import Answers
from whysaid.attribution.method import Explanation, Method
from whysaid.attribution.together import attribute_fitting
from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.datamodule import QuestionData
from whysaid.data.questions.vqa import AskedImage, Question
from whysaid.data.vocabulary import PAD
from whysaid.studies.common.word_maps import pixel_maps
from whysaid.tasks.answerer import Answerer

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
    task: Answerer, data: QuestionData, group: Sequence[Asked], pixels: Tensor, methods: dict[str, Method]
) -> list[ExplainedAnswer]:
    """What the model answers to Q questions about pixels (Q, 3, H, W), and each method's maps of the answers; methods
    that cannot explain such a model are taken out of `methods`, with a line of the log."""
    lines = [task.vocabulary.question(asked.question.text)[: data.max_words] for asked in group]
    tokens = pad_sequence([torch.tensor(line) for line in lines], True, PAD).to(task.device)
    ids = torch.tensor([[asked.question.id] for asked in group])
    batch = QuestionBatch(
        torch.tensor([asked.image.id for asked in group]),
        ids,
        tokens[:, None],
        torch.full((len(group), 1, 1), -1),
        images=pixels.to(task.device),
    )
    with torch.no_grad():
        p, best = task.model(tokens, task.model.features(batch)).float().softmax(1).max(1)
    right = torch.tensor([asked.right for asked in group]).to(best)
    explained = torch.stack([right, best], 1)[:, : 1 if bool((right == best).all()) else 2]
    explanations = attribute_fitting(methods, task.model, batch, Answers(tokens, explained))
    maps = {name: _magnitude(name, explanation) for name, explanation in explanations.items()}
    return [
        ExplainedAnswer(
            predicted,
            sure,
            pixels[i],
            {name: v[i, : 1 if predicted == group[i].right else 2] for name, v in maps.items()},
        )
        for i, (predicted, sure) in enumerate(zip(best.tolist(), p.tolist(), strict=True))
    ]


def _magnitude(name: str, explanation: Explanation) -> Array:
    """The largest |value| of the channels, (Q, T, H, W)."""
    magnitude: Array = pixel_maps(name, explanation).abs().amax(2).float().cpu().numpy()
    return magnitude
