from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.decoding.tiny import Recurrent, photos
from whysaid.data.vocabulary import SPECIALS, Vocabulary
from whysaid.decoding.decoder import with_vocabulary
from whysaid.decoding.filters import NoBadEnding
from whysaid.decoding.length_penalty import Wu

ALL = sorted((Path(__file__).parents[2] / "conf" / "decoding").glob("*.yaml"))
FILES = [file for file in ALL if file.stem != "checkpoint"]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_config_makes_a_decoder(file):
    decoder = instantiate(OmegaConf.load(file))
    assert decoder.max_length == 20
    decoded = decoder(Recurrent(9), photos(2))
    assert decoded.tokens.shape[0] == 2 and decoded.tokens.shape[2] <= 20


def test_there_are_six():
    assert [f.stem for f in FILES] == ["beam", "diverse_beam", "greedy", "multinomial", "nucleus", "top_k"]


def test_penalties_and_open_filters_come_from_a_config():
    config = OmegaConf.load(next(f for f in FILES if f.stem == "beam"))
    config.length_penalty = {"_target_": "whysaid.decoding.length_penalty.Wu", "alpha": 0.6}
    ending = {"_target_": "whysaid.decoding.filters.NoBadEnding", "_partial_": True, "words": ["a"]}
    others = {"NoUnknown": {}, "NoRepeat": {}, "NoRepeatedNgram": {"n": 2}, "MinimumLength": {"words": 2}}
    made = [{"_target_": f"whysaid.decoding.filters.{name}", **settings} for name, settings in others.items()]
    config.filters = [ending, *made]
    decoder = with_vocabulary(instantiate(config), Vocabulary([*SPECIALS, "a", "b"]))
    assert decoder.length_penalty == Wu(0.6) and isinstance(decoder.filters[0], NoBadEnding)
    assert [type(forbid).__name__ for forbid in decoder.filters[1:]] == list(others)
    assert decoder(Recurrent(6), photos(2)).tokens.shape[:2] == (2, 1)
