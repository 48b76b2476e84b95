"""What the transformer has and other captioners have not: a cache, places, tied weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.models.test_captioners import BUILD, B, features, tokens
from whysaid.data.vocabulary import START
from whysaid.decoding.beam import Beam
from whysaid.decoding.greedy import Greedy
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.run.conf import CONF

DECODINGS = sorted(path for path in (Path(CONF) / "decoding").glob("*.yaml") if path.stem != "checkpoint")


@pytest.fixture
def model() -> Captioner:
    torch.manual_seed(0)
    return BUILD["transformer"]().double().eval()


def test_the_cache_grows_by_a_word_and_is_all_that_a_step_reads(model: Captioner) -> None:
    words, seen = tokens(B, 4), features(model)
    state = model.start(seen)
    assert [part.shape[1] for part in state] == [0] * 4
    for t in range(3):
        state = model.step(words[:, t], state, seen).state
        assert all(part.shape[:2] == (B, t + 1) for part in state)
    copied = tuple(part.clone() for part in state)
    torch.testing.assert_close(
        model.step(words[:, 3], copied, seen).logits, model.unroll(words, seen).logits[:, 3], rtol=0, atol=1e-12
    )


def test_a_step_in_float32_is_the_unrolled_pass_to_one_millionth(model: Captioner) -> None:
    model, words = model.float(), tokens(B, 6)
    seen = model.project(torch.rand(B, 6, 5))
    unrolled, state = model.unroll(words, seen).logits, model.start(seen)
    for t in range(6):
        logits, _, _, state = model.step(words[:, t], state, seen)
        torch.testing.assert_close(logits, unrolled[:, t], rtol=0, atol=1e-6)


def test_no_word_sees_a_later_one(model: Captioner) -> None:
    words, seen = tokens(B, 5), features(model)
    changed = words.clone()
    changed[:, 3:] = 4 + (changed[:, 3:] - 3) % 7
    assert (changed[:, 3:] != words[:, 3:]).all()
    before, after = (model.unroll(some, seen).logits for some in (words, changed))
    torch.testing.assert_close(before[:, :3], after[:, :3], rtol=0, atol=0)
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_a_beam_of_one_is_greedy(model: Captioner) -> None:
    seen = features(model)
    greedy, beam = Greedy(max_length=8)(model, seen), Beam(width=1, max_length=8)(model, seen)
    assert greedy.tokens.tolist() == beam.tokens.tolist()
    torch.testing.assert_close(greedy.log_probs, beam.log_probs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda path: path.stem)
def test_every_decoding_scores_what_it_writes_as_the_unrolled_pass_does(decoding: Path, model: Captioner) -> None:
    decode: Any = instantiate(OmegaConf.load(decoding), max_length=7)
    torch.manual_seed(0)
    seen = features(model)
    decoded = decode(model, seen)
    best = decoded.tokens[:, 0]
    inputs = torch.nn.functional.pad(best[:, :-1], (1, 0), value=START)
    log_p = model.unroll(inputs, seen).logits.log_softmax(-1).gather(2, best.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(decoded.log_probs[:, 0], log_p.masked_fill(best == 0, 0).sum(1), rtol=0, atol=1e-9)


def test_the_vocabulary_layer_reads_with_the_weights_of_the_words(model: Captioner) -> None:
    assert model.vocabulary_layer.weight is model.embedding.weight
    restored = BUILD["transformer"]().double()
    restored.load_state_dict(model.state_dict())
    assert restored.vocabulary_layer.weight is restored.embedding.weight
    words, seen = tokens(B, 3), features(model)
    torch.testing.assert_close(restored.eval().unroll(words, seen).logits, model.unroll(words, seen).logits)


def test_a_caption_that_is_longer_than_its_places_is_refused(model: Captioner) -> None:
    with pytest.raises(UserError, match=r"reads 64 words, <start> included, .*model\.max_length"):
        model.unroll(tokens(B, 65), features(model))
