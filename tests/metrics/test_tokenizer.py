import logging

import pytest

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
    assert len(list(tmp_path.iterdir())) == 2, "one file for each content and nothing half-written"


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
