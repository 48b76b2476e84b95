"""Does a model say that things are there which are not? Questions with yes and no in equal shares (POPE).

Q questions.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from whysaid.data.batch import Pictures
from whysaid.data.files.table import TableValue
from whysaid.data.images import Photo, load_image
from whysaid.data.polls import Poll
from whysaid.decoding.contrast.absent import Absent
from whysaid.errors import UserError
from whysaid.figures.bars import bars
from whysaid.metrics.auc import auc
from whysaid.metrics.polling import poll_scores
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.mean import know_mean
from whysaid.studies.common.outcome import Outcome, counts_text
from whysaid.studies.common.statistics import LINES, Interval, drawn_interval, draws_of_words
from whysaid.studies.polling.questions import FromAnnotations, FromFiles, Questions
from whysaid.studies.polling.respondents import Probable, Reply, Respondent, asks_questions, respondents_of
from whysaid.tasks.answerer import Answerer
from whysaid.tasks.writer import Writer

log = logging.getLogger(__name__)

Replies = Mapping[tuple[int, str], Mapping[str, Reply]]
"""Picture and question → what the answer is made of → the reply."""


class Polling:
    """Asks a model whether objects are in pictures, and scores its answers.

    VQA models are asked the question. Captioners are not: an object counts as said if the caption names it, and, of one
    captioner, by how much the picture adds to the probability of a sentence that names it.

    Args:
        absent: makes the picture that is none, for captioners.
        files, answers, pictures: questions as they are published, see `FromFiles`; without files they are made from
            annotations.
        sentence: that names an object, for captioners, with `{article}` and `{object}`; None does without.
        above: nats that the picture must add to the sentence's log-probability for a yes.
        images: that are asked about, drawn by `seed`; None takes all.
        batch_size: pictures at once.
        seed: of what is drawn, and of bootstrap samples.
        asking: `kinds`, `wording`, `per_image` and `objects`, as `FromAnnotations` takes them.
    """

    def __init__(
        self,
        absent: Absent,
        files: Sequence[str] | None = None,
        answers: str | None = None,
        pictures: str | None = None,
        sentence: str | None = "{article} {object}",
        above: float = 0.0,
        images: int | None = None,
        batch_size: int = 50,
        seed: int = 0,
        **asking: Any,
    ):
        self.questions: Callable[[Sequence[Photo]], Questions] = (
            FromFiles(files, answers, pictures, images, seed)
            if files
            else FromAnnotations(**asking, images=images, seed=seed)
        )
        self.absent, self.sentence, self.above = absent, sentence, above
        self.batch_size, self.seed = batch_size, seed

    def __call__(self, task: Answerer | Writer, data: Any, folder: Path) -> Outcome:
        """Raises UserError: the model sees no photos, nothing can be asked, or the model cannot be asked."""
        model = task.model if isinstance(task, Answerer) else task.captioner
        members = [*getattr(model, "captioners", [model])]
        if any(member.encoder.grid is None for member in members):
            raise UserError("study=polling shows photos to the model, which sees regions: choose another encoder")
        task.eval()
        photos = data.images(data.evaluated)
        asked = self.questions(photos)
        paths = {photo.id: photo.path for photo in photos}
        respondents = respondents_of(task, getattr(data, "object_words", None), self._probable(task, data))
        skipped: dict[str, int] = defaultdict(int)
        pictures = _by_picture(asked, paths, skipped)
        replies: dict[tuple[int, str], dict[str, Reply]] = defaultdict(dict)
        preprocessing = members[0].encoder.preprocessing
        size = self.batch_size if preprocessing.one_size else 1
        for batch, polls in _batches(pictures, preprocessing, size, skipped):
            with torch.no_grad():
                self._ask(respondents, batch.to(task.device), polls, replies)
        return self._outcome(asked, replies, [respondent.by for respondent in respondents], data.evaluated, skipped)

    def _probable(self, task: Answerer | Writer, data: Any) -> Probable | None:
        """Polls by the probability of a sentence, which only a captioner by itself can be."""
        if self.sentence is None or isinstance(task, Answerer):
            return None
        captioner = task.captioner
        if not isinstance(captioner, Captioner) or asks_questions(captioner):
            return None
        if self.absent.takes_mean:
            know_mean(captioner, data)
        return Probable(task, self.absent, self.sentence, self.above)

    def _ask(
        self,
        respondents: Sequence[Respondent],
        batch: Pictures,
        polls: Sequence[Sequence[Poll]],
        replies: Mapping[tuple[int, str], dict[str, Reply]],
    ) -> None:
        for respondent in respondents:
            for of, given in zip(polls, respondent(batch, polls), strict=True):
                for poll, reply in zip(of, given, strict=True):
                    if reply is not None:
                        replies[poll.image_id, poll.text][respondent.by] = reply

    def _outcome(
        self, asked: Questions, replies: Replies, ways: Sequence[str], split: str, skipped: dict[str, int]
    ) -> Outcome:
        rows: list[dict[str, TableValue]] = []
        metrics: dict[str, float] = {}
        shown: dict[str, dict[str, Interval]] = defaultdict(dict)
        for kind, polls in asked.items():
            for by in ways:
                answered = [
                    (poll, of[by]) for poll in polls if by in (of := replies.get((poll.image_id, poll.text), {}))
                ]
                skipped[f"{kind} questions without a reply ({by})"] = len(polls) - len(answered)
                if not answered:
                    continue
                scores = self._scores(answered)
                about: dict[str, TableValue] = {"poll": kind, "by": by, "questions": len(answered)}
                for name, interval in scores.items():
                    about |= {key: None if np.isnan(v) else v for key, v in interval.columns(name).items()}
                    if not np.isnan(interval.value):
                        metrics[f"{split}/poll_{name}_{kind}_{by}"] = interval.value
                rows.append(about)
                shown[kind][by] = scores["accuracy"]
        if not rows:
            raise UserError(f"no question could be put to the model ({counts_text(skipped)})")
        polled = {poll.image_id for polls in asked.values() for poll in polls}
        note = (
            f"The share of right answers to “is there a … in the picture?”; always saying yes has a half. "
            f"{sum(map(len, asked.values()))} questions about {len(polled)} images; {LINES}"
        )
        return Outcome(
            rows=rows,
            metrics=metrics,
            figures={"": bars({**shown}, "accuracy", note=note)},
            tables={"answers": _answers(asked, replies)},
            notes=[
                f"Left out: {counts_text(skipped)}.",
                "precision, recall and F1 are of yes; yes: its share of the answers; auc: of how much speaks for it.",
                "Intervals: 95 %, bootstrap over images. A model that always says yes has an accuracy of a half.",
            ],
        )

    def _scores(self, answered: Sequence[tuple[Poll, Reply]]) -> dict[str, Interval]:
        right = [poll.yes for poll, _ in answered]
        times = draws_of_words([poll.image_id for poll, _ in answered], self.seed)
        given = [reply.score for _, reply in answered]
        numbers = [score for score in given if score is not None]
        area = np.full(len(times), np.nan) if len(numbers) < len(given) else auc(numbers, right, times)
        scores = {**poll_scores(right, [reply.yes for _, reply in answered], times), "auc": area}
        return {name: drawn_interval(values) for name, values in scores.items()}


def _by_picture(
    asked: Questions, paths: Mapping[int, Path], skipped: dict[str, int]
) -> list[tuple[Path, Sequence[Poll]]]:
    """Pictures and their questions, each once however many polls ask it; counts those of pictures that are missing."""
    pictures: dict[tuple[int, Path], dict[str, Poll]] = defaultdict(dict)
    for polls in asked.values():
        for poll in polls:
            path = poll.path or paths.get(poll.image_id)
            if path is None:
                skipped["questions about pictures that are not there"] += 1
            else:
                pictures[poll.image_id, path].setdefault(poll.text, poll)
    return [(path, list(of.values())) for (_, path), of in pictures.items()]


def _batches(
    pictures: Sequence[tuple[Path, Sequence[Poll]]], preprocessing: Any, size: int, skipped: dict[str, int]
) -> Iterator[tuple[Pictures, list[Sequence[Poll]]]]:
    """Yields pictures and their questions; those that cannot be read are counted."""
    waiting: list[tuple[torch.Tensor, Sequence[Poll]]] = []
    for number, (path, polls) in enumerate(tqdm(pictures, desc="polling", unit="image", disable=None), 1):
        try:
            waiting.append((preprocessing(load_image(path)), polls))
        except UserError:
            skipped["questions about pictures that cannot be read"] += len(polls)
        if waiting and (len(waiting) == size or number == len(pictures)):
            yield Pictures(torch.stack([pixels for pixels, _ in waiting])), [polls for _, polls in waiting]
            waiting = []


def _answers(asked: Questions, replies: Replies) -> list[dict[str, TableValue]]:
    return [
        {
            "poll": kind,
            "image_id": poll.image_id,
            "question": poll.text,
            "object": poll.object,
            "yes": poll.yes,
            "by": by,
            "said": reply.yes,
            "score": reply.score,
        }
        for kind, polls in asked.items()
        for poll in polls
        for by, reply in replies.get((poll.image_id, poll.text), {}).items()
    ]
