import os
import signal
import time

import pytest

from whysaid.metrics.meteor import METEOR
from whysaid.metrics.score import Unavailable

pytestmark = pytest.mark.java


class Killed(METEOR):
    """Its process is shot on the way."""

    def _start(self, complaints):
        self.process = super()._start(complaints)
        os.kill(self.process.pid, signal.SIGKILL)
        return self.process


class Kept(METEOR):
    def _start(self, complaints):
        self.process = super()._start(complaints)
        return self.process


HYPOTHESES = {
    7: "two dogs are running across the green field",
    1: "",
    2: "a dog runs",
    3: "un café |||",
    4: "|||",
    5: "a man in a hat is riding a brown horse",
}
REFERENCES = {
    1: ["a cat"],
    2: ["a dog runs", ""],
    3: ["un café"],
    4: ["a dog"],
    5: ["a cowboy on a horse", "a man rides his horse through a dusty field", "someone riding"],
    7: ["a pair of puppies run over the grass", "two dogs that are running on the lawn"],
}


def test_equals_pycocoevalcap_on_awkward_captions_too_and_the_process_ends(java):
    from pycocoevalcap.meteor.meteor import Meteor

    metric = Kept()
    score = metric(HYPOTHESES, REFERENCES)["METEOR"]
    assert metric.process.poll() is not None
    arguments = {i: REFERENCES[i] for i in HYPOTHESES}, {i: [caption] for i, caption in HYPOTHESES.items()}
    corpus, values = Meteor().compute_score(*arguments)
    assert score.corpus == pytest.approx(corpus, abs=1e-9)
    assert score.per_image == pytest.approx(dict(zip(HYPOTHESES, values, strict=True)), abs=1e-9)
    assert score.per_image[1] == score.per_image[4] == 0
    assert min(score.per_image[2], score.per_image[3]) > 0.9


def test_killed_process_is_unavailable(java):
    metric = Killed()
    with pytest.raises(Unavailable, match="ended early"):
        metric({1: "a dog"}, {1: ["a dog"]})
    assert metric.process.poll() == -signal.SIGKILL


def test_a_process_that_hangs_is_given_up(java):
    began = time.monotonic()
    with pytest.raises(Unavailable):
        METEOR(timeout=0.05)({i: "a dog" for i in range(1000)}, {i: ["a dog"] for i in range(1000)})
    assert time.monotonic() - began < 3


def test_without_java(no_java):
    with pytest.raises(Unavailable, match="no `java`"):
        METEOR()({1: "a dog"}, {1: ["a dog"]})


def test_a_locale_with_decimal_commas(java, monkeypatch):
    """Java takes it from the environment, or from the user's own options."""
    expected = METEOR()(HYPOTHESES, REFERENCES)["METEOR"]
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.country=DE")
    assert METEOR()(HYPOTHESES, REFERENCES)["METEOR"] == expected


@pytest.mark.parametrize(
    ("program", "reason", "remedy"),
    [
        ("echo 0,5; read line; echo 0,5; echo 0,5", "could not convert string to float: '0,5'", "_JAVA_OPTIONS"),
        ("echo 'Picked up X' >&2; echo 'java.lang.OutOfMemoryError: Java heap space' >&2", "Java heap", "2 GB of mem"),
        ("echo 'Exception in main: no class Meteor' >&2", "no class Meteor", "java -version"),
        ("kill -9 $$", "no answer", "2 GB of memory"),
    ],
)
def test_what_has_ended_java_is_said(tmp_path, monkeypatch, program, reason, remedy):
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\nread line\n{program}\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Unavailable) as error:
        METEOR()({1: "a dog"}, {1: ["a dog"]})
    assert "ended early or gave no number" in error.value.reason
    assert reason in error.value.reason and remedy in str(error.value)
