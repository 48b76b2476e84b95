import torch

from tests.decoding.tiny import Recurrent, photos, rescored
from tests.models.test_ensemble import ensemble
from whysaid.data.vocabulary import PAD
from whysaid.decoding.greedy import Greedy
from whysaid.decoding.rescore import said_log_probs
from whysaid.models.ensemble import EnsembleFeatures


def test_the_words_of_a_caption_add_up_to_its_log_probability():
    captioner, features = Recurrent(9), photos(12)
    tokens = Greedy(max_length=7)(captioner, features).tokens
    log_probs = said_log_probs(captioner, tokens[:, 0], features).masked_fill(tokens[:, 0] == PAD, 0)
    torch.testing.assert_close(log_probs.sum(1, keepdim=True), rescored(captioner, features, tokens))
    assert log_probs.dtype == torch.float64


def test_an_ensemble_says_a_word_with_the_mean_probability_of_its_members():
    members = [Recurrent(10, seed=seed) for seed in (1, 2)]
    features, tokens = photos(3), torch.tensor([[4, 5], [5, 4], [6, 6]])
    both = said_log_probs(ensemble(*members), tokens, EnsembleFeatures((features, features)))
    alone = [said_log_probs(member, tokens, features).exp() for member in members]
    torch.testing.assert_close(both.exp(), (alone[0] + alone[1]) / 2)
