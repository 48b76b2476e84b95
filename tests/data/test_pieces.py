"""Vocabularies of word pieces."""

import itertools

import pytest

from tests.models.transformers.tiny import byte_pairs, word_piece
from whysaid.data.pieces import PieceVocabulary
from whysaid.data.vocabulary import END, PAD, SPECIALS, START, UNK, Word


@pytest.fixture(scope="module")
def bert() -> PieceVocabulary:
    tokenizer = word_piece()
    return PieceVocabulary(tokenizer, len(tokenizer) + 2, (0, tokenizer.bos_token_id, tokenizer.sep_token_id, 1))


@pytest.fixture(scope="module")
def gpt2() -> PieceVocabulary:
    """One mark of the model stands for all four of ours."""
    tokenizer = byte_pairs()
    return PieceVocabulary(tokenizer, len(tokenizer), (0, 0, 0, 0))


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_every_token_of_the_model_has_one_index_that_is_said(name: str, request: pytest.FixtureRequest) -> None:
    vocabulary = request.getfixturevalue(name)
    said = [i for index, i in enumerate(vocabulary.ids) if index not in vocabulary.duplicates]
    assert sorted(said) == list(range(max(vocabulary.ids) + 1))
    assert vocabulary.words[:4] == list(SPECIALS) and len(set(vocabulary.words)) == len(vocabulary)
    assert END not in vocabulary.duplicates and vocabulary.begin in vocabulary.duplicates
    assert vocabulary.ids[vocabulary.begin] == vocabulary.ids[START]


def test_one_mark_for_all_belongs_to_the_end(gpt2: PieceVocabulary) -> None:
    assert gpt2.own[0] == END and gpt2.duplicates == [PAD, START, UNK, gpt2.begin]


def test_rows_beyond_the_tokenizers_tokens_have_names_of_their_own(bert: PieceVocabulary) -> None:
    size = len(bert.tokenizer)
    assert {f"<{size}>", f"<{size + 1}>"} <= set(bert.words)


@pytest.mark.parametrize("text", ["the dog is walking on a house", "two cats , playing with red balls ."])
def test_pieces_are_joined_to_words(bert: PieceVocabulary, text: str) -> None:
    tokens = bert.encode(text.split())
    assert tokens[0] == START and tokens[-1] == END
    assert bert.decode(tokens) == text.split()
    for word in bert.located(tokens):
        pieces = [bert.words[i] for i in tokens[word.first : word.last + 1]]
        assert "".join(piece.removeprefix("##") for piece in pieces) == word.text


def test_a_word_knows_its_first_and_its_last_piece(bert: PieceVocabulary) -> None:
    tokens = bert.encode(["a", "player", "walks"])
    assert [bert.words[i] for i in tokens] == ["<start>", "a", "play", "##er", "walk", "##s", "<end>"]
    assert bert.located(tokens) == [Word("a", 1, 1), Word("player", 2, 3), Word("walks", 4, 5)]
    assert bert.located([*tokens[1:4], END, 9]) == [Word("a", 0, 0), Word("player", 1, 2)]


def test_byte_pairs_are_joined_too_whatever_their_alphabet(gpt2: PieceVocabulary) -> None:
    text = "the dog's café, naïve 日本 cat-house."
    tokens = gpt2.encode([text])
    words = gpt2.located(tokens)
    assert [word.text for word in words] == ["the", "dog's", "café", ",", "naïve", "日本", "cat-house", "."]
    assert [word.first for word in words] == sorted({word.first for word in words})
    assert all(a.last < b.first for a, b in itertools.pairwise(words))


def test_what_begins_a_text_is_a_word_of_its_own(bert: PieceVocabulary) -> None:
    read = [*bert.question("how many"), START, *bert.pieces("two dogs"), bert.begin, *bert.pieces("cat")]
    texts = [word.text for word in bert.joined(read)]
    assert texts == ["[CLS]", "how", "many", "[SEP]", "<start>", "two", "dogs", "<start>", "cat"]
    firsts = [word.first for word in bert.joined(read)]
    assert firsts == [0, 1, 2, 3, 4, 5, 6, 8, 9]


def test_captions_are_cut_by_pieces(bert: PieceVocabulary) -> None:
    assert [bert.words[i] for i in bert.encode(["walking", "dogs"], 3)] == ["<start>", "walk", "##ing", "dog"]
    assert bert.encode(["walking"], 2)[-1] == END


def test_a_word_is_known_if_its_pieces_are(bert: PieceVocabulary) -> None:
    assert "walker" in bert and "zebra" not in bert
