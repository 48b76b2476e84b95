import os
import signal
import time

import pytest

from whysaid.metrics.meteor import METEOR
from whysaid.metrics.score import Unavailable

pytestmark = pytest.mark.java


class Killed(METEOR):
    """Its process is shot on the way."""

    def _start(self):
        self.process = super()._start()
        os.kill(self.process.pid, signal.SIGKILL)
        return self.process


class Kept(METEOR):
    def _start(self):
        self.process = super()._start()
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
