"""The support of object words through the doors: fitted, found beside the checkpoint, and decoded by."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.special import logit
from torch import Tensor

from tests.running import Ran, only, run_door
from tests.studies.test_doors import CHAIN
from whysaid.data.object_words import ObjectWords
from whysaid.data.scenes.objects import OBJECT_WORDS
from whysaid.data.vocabulary import END, Vocabulary
from whysaid.studies.support.card import tell_card

UNSUPPORTED = "_target_: whysaid.decoding.support.unsupported.Unsupported"

AMONG = "{_target_: tests.studies.test_support.Among, _partial_: true, words: [cat, ball, boat, car]}"
ONCE = "{_target_: whysaid.decoding.filters.NoRepeatedNgram, n: 1}"

Evaluate = Callable[..., Ran]


class Among:
    """A filter that allows an article and, behind it, two or more of some words."""

    def __init__(self, words: list[str], vocabulary: Vocabulary):
        self.first, self.others = vocabulary.index["a"], [vocabulary.index[word] for word in words]

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        said = tokens.shape[1]
        allowed = torch.zeros(log_p.shape[1], dtype=torch.bool)
        allowed[[self.first] if said == 0 else self.others] = True
        allowed[END] = said > 2
        return log_p.masked_fill_(~allowed, -torch.inf)


@pytest.fixture(scope="module")
def fitted(finished: Path, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose support is fitted on what it is made to say of every picture."""
    folder = tmp_path_factory.mktemp("fitted")
    ckpt = shutil.copy(finished / "checkpoints/best.ckpt", folder / "best.ckpt")
    shutil.copy(finished / "checkpoints/README.md", folder / "README.md")
    places = (f"paths.data_dir={data_dir}", f"paths.output_dir={folder}/outputs", "support.folder=null")
    quick = ("logger=none", "study.relevance=null", "study.removal=null", "study.folds=2", "split=train")
    said = ("decoding=greedy", f"decoding.filters=[{CHAIN}]")
    ran = run_door("evaluate", *places, f"ckpt={ckpt}", "study=support", *quick, *said)
    assert f"Stored in {folder / 'best.support.json'}" in " ".join(ran.out.split())
    rows = json.loads((ran.folder / "support.json").read_text())["rows"]
    assert {row["evidence"] for row in rows} == {"log_p + contrast + presence", "log_p + contrast", "log_p"}
    assert {row["split"] for row in rows} == {"train", "val"} and all(0 <= row["auc"] <= 1 for row in rows)
    return Path(ckpt)


@pytest.fixture
def evaluate(fitted: Path, places: list[str], plain_tokens: None) -> Evaluate:
    quick = ("logger=none", only("test", "hallucination"))
    return lambda *more: run_door("evaluate", *places, f"ckpt={fitted}", "support.folder=null", *quick, *more)


def test_the_model_card_tells_how_well_it_is_calibrated(fitted: Path, finished: Path) -> None:
    card, former = (folder.joinpath("README.md").read_text() for folder in (fitted.parent, finished / "checkpoints"))
    before, _, section = card.partition("## Support of named objects\n")
    section, _, after = section.partition("## Limits\n")
    assert before + "## Limits\n" + after == former
    assert "`best.support.json`" in section and "of the train split" in section
    assert "| area under the ROC curve | " in section and "| expected calibration error | " in section
    numbers = {"auc": 0.875, "calibration_error": 0.03125}
    ends = {f"{key}_{end}": value for key, value in numbers.items() for end in ("low", "high")}
    tell_card(fitted, fitted, {"split": "test", "words": 7, **numbers, **ends})
    again = (fitted.parent / "README.md").read_text()
    assert again.count("## Support of named objects") == 1 and "| area under the ROC curve | 0.8750 | " in again
    tell_card(fitted.parent / "elsewhere" / "best.ckpt", fitted, {})
    assert not (fitted.parent / "elsewhere").exists()


def records(ran: Ran) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ran.folder / "predictions_test.json").read_text())
    return found


def test_predictions_carry_the_support_of_what_they_name(evaluate: Evaluate) -> None:
    for record in records(evaluate("decoding=greedy", f"decoding.filters=[{CHAIN}]")):
        assert record["objects"] == ["cat", "ball", "boat", "car"]
        assert len(record["support"]) == 4 and all(0 < support < 1 for support in record["support"])
    assert all("support" not in record for record in records(evaluate("support.file=none", "decoding=greedy")))


def test_decoding_by_support_through_the_door(evaluate: Evaluate) -> None:
    """No object is as well supported as 0.999; and a beam prefers captions whose objects are better supported."""
    ran = evaluate("decoding=beam", f"decoding.filters=[{AMONG}, {{{UNSUPPORTED}, threshold: 0.999}}]")
    assert all(record["caption"] and not record["objects"] for record in records(ran))
    beam = ("decoding=beam", f"decoding.filters=[{AMONG}, {ONCE}]", "decoding.width=8")
    plain = {record["image_id"]: record for record in records(evaluate(*beam))}
    ranked = records(evaluate(*beam, "decoding/support=rerank", "decoding.support.weight=20"))
    assert any(record["caption"] != plain[record["image_id"]]["caption"] for record in ranked)
    odds = [log_odds(records) for records in (ranked, plain.values())]
    assert odds[0] > odds[1]


def log_odds(of: Iterable[dict[str, Any]]) -> float:
    """Of all objects that captions name, each once a caption."""
    named = [dict(zip(record["objects"], record["support"], strict=True)) for record in of if record["objects"]]
    return float(sum(logit(support) for supports in named for support in supports.values()))


def test_a_study_may_decode_by_support(fitted: Path, places: list[str], plain_tokens: None) -> None:
    rows = (
        "+decoding/support@study.rows.ranked.decoding.support=rerank",
        f"+study.rows.none.decoding.filters=[{AMONG}, {{{UNSUPPORTED}, threshold: 0.999}}]",
        "study.controls={cut: null, temperature: null, drop: null}",
    )
    quick = ("logger=none", "study.images=8", "study.scores.SPICE=null", "decoding=beam", "support.folder=null")
    filters = f"decoding.filters=[{AMONG}]"
    ran = run_door("evaluate", *places, f"ckpt={fitted}", "study=hallucination", *quick, filters, *rows)
    captions = json.loads((ran.folder / "hallucination.json").read_text())["captions"]
    assert list(captions) == ["baseline", "ranked", "none"]
    named = [ObjectWords(OBJECT_WORDS).located(" ".join(of[0].values())) for of in captions.values()]
    assert named[0] and named[1] and not named[2]


@pytest.mark.parametrize(("least", "pictures"), [(1, "without an object"), (1000, "as they are")])
def test_few_words_of_pictures_without_an_object_are_not_fitted_on(
    least: int, pictures: str, fitted: Path, places: list[str], tmp_path: Path, plain_tokens: None
) -> None:
    ckpt = shutil.copy(fitted, tmp_path / "best.ckpt")
    quick = ("logger=none", "study.relevance=null", "study.folds=2", f"study.least={least}", "support.folder=null")
    said = ("decoding=greedy", f"decoding.filters=[{CHAIN}]", "fill@study.removal.fill=truth")
    ran = run_door("evaluate", *places, f"ckpt={ckpt}", "study=support", *quick, *said)
    stored = json.loads((tmp_path / "best.support.json").read_text())
    assert stored["fitted"]["pictures"] == pictures
    rows = json.loads((ran.folder / "support.json").read_text())["rows"]
    assert {"without an object", "as they are"} == {row["pictures"] for row in rows}
    told = " ".join(ran.out.split())
    assert ("of the rarer kind: with fewer than study.least=1000" in told) == (least == 1000)


def test_what_has_no_support_of_its_own_is_refused(evaluate: Evaluate, fitted: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    content = json.loads(fitted.with_name("best.support.json").read_text())
    other.write_text(json.dumps({**content, "captioner": "another"}))
    error = evaluate(f"support.file={other}").error
    assert error.startswith(f"error: {other} is the support of another captioner than {fitted}: fit it anew")
    for asking in ("decoding/support=rerank", f"decoding.filters=[{{{UNSUPPORTED}}}]"):
        assert "fit it by study=support" in evaluate("decoding=beam", "support.file=none", asking).error
    assert "know no support" in evaluate("decoding/support=rerank").error  # the run decoded greedily
    both = f"ckpt=[{fitted},{fitted}]"
    assert "one captioner's object words" in evaluate("decoding=beam", "decoding/support=rerank", both).error


def test_what_an_old_checkpoint_lacks_is_computed_and_said(evaluate: Evaluate, fitted: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.ckpt"
    content = torch.load(fitted, weights_only=True)
    assert content.pop("mean_regions") is not None
    torch.save(content, old)
    forbidding = ("decoding=greedy", f"decoding.filters=[{AMONG}, {{{UNSUPPORTED}, threshold: 0.06}}]")
    known = evaluate(*forbidding)
    computed = evaluate(*forbidding, f"ckpt={old}", f"support.file={fitted.with_name('best.support.json')}")
    said = [[record["caption"] for record in records(ran)] for ran in (known, computed)]
    assert said[0] == said[1]
    line = "holds no mean of its training features"
    logs = [(ran.folder / "evaluate.log").read_text() for ran in (known, computed)]
    assert line not in logs[0] and line in logs[1]


def test_captions_without_object_words_cannot_be_fitted(evaluate: Evaluate) -> None:
    """They are one line for the study, and nothing to decoding and predictions."""
    silent = f"decoding.filters=[{CHAIN.replace('cat', 'and').replace('ball', 'and').replace('boat', 'on')}]"
    silent = silent.replace("car", "on")
    quick = ("study.relevance=null", "study.removal=null", "split=val", "decoding=greedy")
    assert "name 0 objects, which are not both there and not there" in evaluate("study=support", *quick, silent).error
    ran = evaluate("decoding=beam", "decoding/support=rerank", silent)
    assert all(record["support"] == [] and record["caption"] for record in records(ran))
