"""Which answers are explained, and how their maps become one channel."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from whysaid.attribution.answers import Answers
from whysaid.attribution.method import Explanation
from whysaid.data.questions.vqa import AskedImage, Question
from whysaid.data.vocabulary import SPECIALS, Vocabulary
from whysaid.studies.human_attention.answers import Asked, explain

LIKELIEST = 2


def negative(methods: Any, model: Any, batch: Any, answers: Answers) -> dict[str, Explanation]:
    """Maps of −1 − the place of the explained answer in one channel, and of 0.5 in the other."""
    assert isinstance(answers.words, Tensor)
    strongest = (-1.0 - answers.words)[..., None, None, None].expand(-1, -1, 1, 4, 4)
    nothing = torch.zeros(*answers.words.shape, 1)
    return {"m": Explanation(torch.cat([strongest, torch.full_like(strongest, 0.5)], 2), nothing, nothing, nothing)}


def test_the_right_answer_comes_first_and_signs_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whysaid.studies.human_attention.answers.attribute_fitting", negative)
    logits = torch.zeros(2, 4)
    logits[:, LIKELIEST] = 3
    model = type("Model", (), {"__call__": lambda *_: logits, "features": lambda *_: None})()
    task: Any = SimpleNamespace(model=model, vocabulary=Vocabulary([*SPECIALS, "what"]), device="cpu")
    question = Question(1, "what?", "", "", "", ())
    group = [Asked(AskedImage(i, Path("x"), (question,)), question, right) for i, right in ((1, 0), (2, LIKELIEST))]
    data: Any = SimpleNamespace(max_words=5)
    wrong, correct = explain(task, data, group, torch.zeros(2, 3, 4, 4), {})
    assert wrong.predicted == correct.predicted == LIKELIEST
    assert wrong.confidence == pytest.approx(float(logits[0].softmax(0)[LIKELIEST]))
    np.testing.assert_array_equal(wrong.maps["m"][:, 0, 0], [1, 1 + LIKELIEST])
    np.testing.assert_array_equal(correct.maps["m"][:, 0, 0], [1 + LIKELIEST])
