"""What a VQA model answers, as a batch and one by one."""

import pytest
import torch

from whysaid.attribution.looking.glimpses import glimpse_maps
from whysaid.data.batch import QuestionBatch
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.vocabulary import SPECIALS, Vocabulary
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.saaa import SAAA
from whysaid.tasks.answerer import Answerer, best_choice

WORDS, ANSWERS = ["what", "is", "this"], ["yes", "no", "cat", "dog", "red"]


@pytest.fixture
def task() -> Answerer:
    torch.manual_seed(0)
    model = SAAA(RegionFeatures(6), 7, len(ANSWERS), 4, 4, 4, 4)
    return Answerer(model, Vocabulary([*SPECIALS, *WORDS]), AnswerVocabulary(ANSWERS), ranked=3).eval()


def batch() -> QuestionBatch:
    ids = torch.tensor([[10, 11], [20, -1]])
    questions = torch.tensor([[[4, 5, 6], [5, 6, 0]], [[6, 4, 0], [0, 0, 0]]])
    choices = torch.tensor([[[3, 0, -1], [-1, -1, -1]], [[1, 2, 4], [-1, -1, -1]]])
    regions = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(1))
    return QuestionBatch(torch.tensor([1, 2]), ids, questions, ids.unsqueeze(2), choices, regions=regions)


@torch.no_grad()
def test_answers_are_ranked_with_their_probabilities(task: Answerer) -> None:
    asked = batch()
    given = task.answer(asked)
    assert list(given) == [10, 11, 20]
    logits = task.model(asked.questions.flatten(0, 1), task.model.features(asked))
    for row, i in enumerate(given):
        p = logits[row].softmax(0)
        ranked = [(ANSWERS[at], float(p[at])) for at in p.argsort(descending=True)[:3].tolist()]
        assert [answer for answer, _ in given[i].ranked] == [answer for answer, _ in ranked]
        assert given[i].confidence == pytest.approx(ranked[0][1]) and given[i].answer == ranked[0][0]
    assert given[10].choice == (0 if logits[0, 3] > logits[0, 0] else 1) and given[11].choice is None
    assert given[20].choice == int(logits[2, [1, 2, 4]].argmax())


def test_the_best_choice_is_one_that_the_model_knows() -> None:
    logits = torch.tensor([[0.0, 5.0, 1.0], [0.0, 5.0, 1.0], [0.0, 5.0, 1.0]])
    assert best_choice(logits, torch.tensor([[-1, 0, 2], [-1, -1, -1], [1, -1, 0]])) == [2, None, 0]


def test_glimpses_are_those_of_each_question(task: Answerer) -> None:
    asked = batch()
    task.model.encoder.grid = (2, 2)
    maps = glimpse_maps(task.model, asked)
    assert maps.shape == (2, 2, 2, 2, 2)
    torch.testing.assert_close(torch.from_numpy(maps).sum((-1, -2)), torch.ones(2, 2, 2))
    alone = QuestionBatch(
        asked.image_ids[1:], asked.question_ids[1:], asked.questions[1:, :1], asked.answers, regions=asked.regions[1:]
    )
    torch.testing.assert_close(glimpse_maps(task.model, alone)[0, 0], maps[1, 0])
