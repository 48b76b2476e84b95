import shutil

import pytest

from whysaid.errors import UserError
from whysaid.metrics import spice
from whysaid.metrics.score import Unavailable
from whysaid.metrics.spice import SPICE, fetch_corenlp


@pytest.fixture(scope="module")
def corenlp():
    if shutil.which("java") is None:
        pytest.skip("there is no Java here")
    if not spice._fetched(spice._folder(None)) and shutil.which("mvn") is None:
        pytest.skip("CoreNLP is not fetched and there is no Maven to fetch it with")
    try:
        return fetch_corenlp()
    except UserError as error:
        pytest.skip(str(error))


HYPOTHESES = {9: "a man riding a horse", 4: "two dogs on a beach", 5: "", 6: "a red bus"}
REFERENCES = {
    9: ["a man rides a brown horse", "two people and a horse in a field"],
    4: ["two dogs on a beach"],
    5: ["a cat"],
    6: ["a bowl of soup", ""],
}


@pytest.mark.java
def test_scores_by_hand_and_the_cache_changes_nothing(corenlp, tmp_path):
    metric = SPICE(cache_dir=tmp_path / "parses")
    first = metric(HYPOTHESES, REFERENCES)["SPICE"]
    # Image 9: both hypothesis tuples are right and 6 of 8 reference tuples are missed: 2 · 1 · ¼ / (1 + ¼).
    assert first.per_image == pytest.approx({9: 0.4, 4: 1.0, 5: 0.0, 6: 0.0})
    assert first.corpus == pytest.approx(0.35)
    assert metric(HYPOTHESES, REFERENCES)["SPICE"] == first
    assert (tmp_path / "parses" / "data.mdb").exists()


@pytest.mark.java
def test_a_cache_that_cannot_be_opened_costs_the_cache_alone(corenlp, tmp_path, caplog):
    (tmp_path / "data.mdb").write_text("not a database" * 1000)
    score = SPICE(cache_dir=tmp_path)({1: "a dog"}, {1: ["a dog"]})["SPICE"]
    assert score.per_image == {1: 1.0}
    assert "without its cache" in caplog.text


def test_a_cache_that_cannot_be_written_is_not_tried(java, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    caches = []

    def run(self, java, items, cache_dir):
        caches.append(cache_dir)
        return [{"image_id": 1, "scores": {"All": {"f": 1.0}}}]

    monkeypatch.setattr(SPICE, "_run", run)
    monkeypatch.setattr(spice, "_fetched", lambda folder: True)
    assert SPICE(cache_dir=tmp_path / "file" / "spice")({1: "a dog"}, {1: ["a dog"]})["SPICE"].corpus == 1
    assert SPICE(cache_dir=tmp_path / "spice")({1: "a dog"}, {1: ["a dog"]})["SPICE"].corpus == 1
    assert caches == [None, tmp_path / "spice"]


@pytest.mark.java
def test_without_corenlp_the_remedy_is_named(java, tmp_path):
    with pytest.raises(Unavailable, match=r"python -m src\.prepare metrics=spice"):
        SPICE(folder=tmp_path)({1: "a dog"}, {1: ["a dog"]})


def test_without_java(no_java):
    with pytest.raises(Unavailable, match="no `java`"):
        SPICE()({1: "a dog"}, {1: ["a dog"]})


def test_fetching_what_is_there_runs_nothing(tmp_path, no_java):
    for name in spice._CORENLP:
        (tmp_path / name).touch()
    assert fetch_corenlp(tmp_path) == tmp_path


def fake_maven(tmp_path, monkeypatch, script):
    (tmp_path / "mvn").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")


def test_maven_without_network_is_one_line(tmp_path, monkeypatch):
    fake_maven(tmp_path, monkeypatch, "echo '[ERROR] Unknown host'; exit 1")
    with pytest.raises(UserError, match="Unknown host"):
        fetch_corenlp(tmp_path / "jars")


def test_damaged_jars_are_not_put_in_place(tmp_path, monkeypatch):
    names = " ".join(spice._SHA256)
    fake_maven(
        tmp_path, monkeypatch, f'for o in "$@"; do d="${{o#*=}}"; done; cd "$d"; for n in {names}; do echo x > $n; done'
    )
    with pytest.raises(UserError, match="damaged"):
        fetch_corenlp(tmp_path / "jars")
    assert not list((tmp_path / "jars").glob("**/*.jar"))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="name another"):
        fetch_corenlp(tmp_path / "file" / "jars")
