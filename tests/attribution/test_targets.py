import pytest
import torch

from whysaid.attribution.targets import Targets
from whysaid.errors import UserError

TOKENS = torch.tensor([[5, 6, 2], [7, 2, 0]])
LOGITS = torch.arange(2 * 3 * 8.0).view(2, 3, 8)


def test_the_captioner_reads_from_start_and_says_each_word_after() -> None:
    assert Targets(TOKENS).inputs().tolist() == [[1, 5, 6], [1, 7, 2]]


def test_all_words_are_explained_by_default() -> None:
    assert Targets(TOKENS).places == [0, 1, 2]
    assert Targets(TOKENS).scores(LOGITS).tolist() == [[5, 14, 18], [31, 34, 40]]


def test_scores_are_of_the_asked_words() -> None:
    two = LOGITS[:, [2, 0]]
    assert Targets(TOKENS, [2, 0]).scores(two).tolist() == [[18, 5], [42 - 2, 31]]
    words = torch.tensor([[1, 2], [3, 4]])
    assert Targets(TOKENS, [2, 0], words).scores(two).tolist() == [[17, 2], [43, 28]]
    assert Targets(TOKENS, [2, 0], words, words - 1).scores(two).tolist() == [[1, 1], [1, 1]]
    assert Targets(TOKENS, [2, 0], "predicted").scores(two).tolist() == [[23, 7], [47, 31]]


def test_a_prompt_is_read_before_start() -> None:
    prompted = Targets(TOKENS, [2, 0], prompt=torch.tensor([[6, 7], [7, 7]]))
    assert prompted.inputs().tolist() == [[6, 7, 1, 5, 6], [7, 7, 1, 7, 2]]
    assert prompted.places == [4, 2] and prompted.context_length == 5
    assert prompted.scores(LOGITS[:, [2, 0]]).tolist() == Targets(TOKENS, [2, 0]).scores(LOGITS[:, [2, 0]]).tolist()
    moved = prompted.to(torch.device("cpu"))
    assert moved.inputs().tolist() == prompted.inputs().tolist()


@pytest.mark.parametrize("positions", [[], [3], [-1], [0, 7]])
def test_places_outside_of_the_caption_are_refused(positions: list[int]) -> None:
    with pytest.raises(UserError, match="words 0 to 2"):
        Targets(TOKENS, positions)


def test_words_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match="images × places"):
        Targets(TOKENS, [0], TOKENS)
    with pytest.raises(UserError, match="images × places"):
        Targets(TOKENS, None, "said", TOKENS[:1])
    with pytest.raises(UserError, match="nothing to explain"):
        Targets(TOKENS[:, :0])
