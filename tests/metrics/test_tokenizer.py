import logging

import pytest

from whysaid.data.words import words
from whysaid.metrics import tokenizer
from whysaid.metrics.score import Unavailable
from whysaid.metrics.tokenizer import plain_tokenize, ptb_tokenize, tokenize, tokenize_both

TRAPS = {
    7: ["Two dogs.\nThey run!", "", "a cat"],
    3: ["", "   ", "line\u2028separator", "next\x85line", "form\x0cfeed", "tab\tcarriage\r\nreturn"],
    5: ["😀", "Un café, naïve", "don't", ""],
    1: [""],
}


@pytest.mark.java
def test_every_caption_keeps_its_place(java):
    assert ptb_tokenize(TRAPS) == {
        7: ["two dogs they run", "", "a cat"],
        3: ["", "", "line separator", "next line", "form feed", "tab carriage return"],
        5: ["", "un café naïve", "do n't", ""],
        1: [""],
    }
    assert list(ptb_tokenize(TRAPS)) == list(TRAPS)


@pytest.mark.java
def test_nothing_to_tokenize_is_nothing(java):
    assert ptb_tokenize({}) == {}
    assert ptb_tokenize({1: []}) == {1: []}


@pytest.mark.java
def test_lone_surrogates_do_not_stop_it(java):
    assert ptb_tokenize({1: ["a \ud83d dog", "a cat"]})[1][1] == "a cat"


@pytest.mark.java
@pytest.mark.photos
def test_equals_pycocoevalcap(java, coco_captions):
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    theirs = PTBTokenizer().tokenize({i: [{"caption": c} for c in group] for i, group in coco_captions.items()})
    assert ptb_tokenize(coco_captions) == theirs


@pytest.mark.java
def test_cache_spares_the_second_java(java, tmp_path, monkeypatch):
    first = ptb_tokenize(TRAPS, tmp_path)
    runs = []
    monkeypatch.setattr(tokenizer, "_run_java", lambda lines: runs.append(lines) or list(lines))
    assert ptb_tokenize(dict(sorted(TRAPS.items())), tmp_path) == first
    assert not runs
    ptb_tokenize({**TRAPS, 1: ["changed"]}, tmp_path)
    assert len(runs) == 1
    left = [path for path in tmp_path.iterdir() if path.suffix]
    assert len(left) == 2, "one file for each content and nothing half-written"


def test_plain_splits_as_the_treebank():
    captions = [
        "A man's dog, that DOESN'T bark.",
        "It's 6:10 — we cannot stay!",
        "a t-shirt (red);",
        "",
        "you’re waves,on",
    ]
    assert plain_tokenize({1: captions}) == {
        1: [
            "a man 's dog that does n't bark",
            "it 's 6:10 we can not stay",
            "a t-shirt red",
            "",
            "you 're waves on",
        ]
    }


@pytest.mark.java
@pytest.mark.photos
def test_plain_is_close_to_the_treebank(java, coco_captions):
    theirs, ours = ptb_tokenize(coco_captions), plain_tokenize(coco_captions)
    pairs = [pair for i in theirs for pair in zip(theirs[i], ours[i], strict=True)]
    assert sum(a == b for a, b in pairs) > 0.99 * len(pairs)


def test_without_java_both_sides_are_plain_and_one_warning_says_so(no_java, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            hypotheses, references = tokenize_both({1: "A dog."}, {1: ["The dog's bowl.", ""]}, tmp_path)
    assert hypotheses == {1: "a dog"}
    assert references == {1: ["the dog 's bowl", ""]}
    assert tokenize({1: ["A dog."]}) == {1: ["a dog"]}
    assert not list(tmp_path.iterdir())
    (record,) = caplog.records
    assert "no `java`" in record.message and "install" in record.message


def test_a_java_that_breaks_counts_as_none(monkeypatch, tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 3\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(Unavailable, match="failed"):
        ptb_tokenize({1: ["a dog"]})
    java.write_text("#!/bin/sh\necho one line too many; echo; echo\n")
    with pytest.raises(Unavailable, match="3 lines for 1 captions"):
        ptb_tokenize({1: ["a dog"]})
    assert tokenize_both({1: "A dog."}, {1: ["A cat."]}) == ({1: "a dog"}, {1: ["a cat"]})


LANGUAGES = [
    "Une crème brûlée.",
    "Ein Mädchen läuft über die Straße; Größe 3.",
    "¿Qué hay? ¡Un niño!",
    "Мальчик ест яблоко.",
    "ένα κορίτσι τρώει μήλο",
    "एक कुत्ता हिन्दी में दौड़ रहा है।",
    "رجلٌ يركب حصانًا، في الحقل؟",
    "می\u200cخواهم سیب بخورم",
    "一 只 狗 在 草 地 上 奔 跑 。",
    "개가 잔디 위를 달린다.",
    "cre\u0300me bru\u0302le\u0301e",
    "chó đang chạy trên bãi cỏ",
]


@pytest.mark.java
def test_every_tokeniser_parts_letters_as_the_vocabulary_does(java):
    expected = {i: [" ".join(words(caption))] for i, caption in enumerate(LANGUAGES)}
    written = {i: [caption] for i, caption in enumerate(LANGUAGES)}
    assert ptb_tokenize(written) == plain_tokenize(written) == expected
    assert ptb_tokenize(expected) == plain_tokenize(expected) == expected


def test_elided_words_match_where_the_vocabularys_tokeniser_is_chosen(no_java, caplog):
    hypothesis, reference = "l été à l école aujourd hui", "L’été à l'école aujourd'hui"
    hypotheses, references = tokenize_both({1: hypothesis}, {1: [reference]}, tokenizer="words")
    assert hypotheses[1] == references[1][0] == hypothesis and not caplog.records


def test_references_of_another_language_are_pointed_at_it_once(no_java, caplog):
    for _ in range(2):
        tokenize_both({1: "crème"}, {1: ["une crème brûlée", "un dessert"]})
    (hint,) = [record.message for record in caplog.records if "metrics.tokenizer=words" in record.message]
    assert hint.startswith("40% of the references' words have letters that English lacks")
    caplog.clear()
    tokenize_both({1: "a café"}, {1: ["a man and a woman in a café"] + ["a dog runs over the green grass"] * 9})
    assert not any("metrics.tokenizer" in record.message for record in caplog.records)
