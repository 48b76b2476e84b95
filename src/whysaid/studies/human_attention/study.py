"""Do explanations of answers lie where people look? The study of Saliency, DeconvNet and others on VQA-HAT.

Q questions explained at once, T answers, S side of the compared squares, pixels.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from whysaid.attribution.method import Method
from whysaid.data.images import load_image
from whysaid.data.questions.datamodule import QuestionData
from whysaid.data.questions.hat import DecidingObjects, HatMaps, HumanMaps, People
from whysaid.errors import UserError
from whysaid.figures.canvas import save
from whysaid.metrics.human_attention import centre_prior, prepare, similarities, squared, standardised
from whysaid.run.printable import encodable, encodable_values
from whysaid.studies.common.captioned import drawn
from whysaid.studies.common.outcome import Outcome
from whysaid.studies.common.word_maps import RANDOM, chosen_methods
from whysaid.studies.human_attention.answer_groups import PREDICTED, RIGHT, AnswerGroups
from whysaid.studies.human_attention.answers import Asked, ExplainedAnswer, explain
from whysaid.studies.human_attention.journal import Journal, described, weights_digest
from whysaid.studies.human_attention.report import CENTRE, PEOPLE, AttentionReport
from whysaid.studies.human_attention.sheet import answer_sheet, sheet_kind
from whysaid.tasks.answerer import Answerer

Array = NDArray[np.floating]

BINS = 20
"""Of the distribution of people's weights."""


class HumanAttention:
    """Compares maps of every method with those of the people who were asked the same question.

    A method's map is the largest |value| of the channels; its similarity to each person's map is averaged over these.
    Beside the methods stand a centre prior, a random map, and, where several people were asked, each of them compared
    with the others. Finished questions are kept in `human_attention.jsonl` of the run directory, one at a time: the
    same study in the same directory goes on where it was killed.

    Args:
        methods: name → method, or None to leave it out.
        hat: folder of VQA-HAT's maps; None takes the objects that decide the question, where the data set knows them.
        questions: so many, drawn by `seed` among those with a map and a right answer that the model knows; None: all.
        size: S; paper: 448.
        share, threshold: of the masks, see `prepare`; paper: 0.1.
        low, high: confidences that bound the groups of answers; paper: 0.25 and 0.75.
        shown: sheets drawn for sure but wrong, and for unsure but correct answers, each.
        at_once: Q; more are quicker on a GPU.
        seed: of the draw, of random maps and of bootstrap intervals.
    """

    def __init__(
        self,
        methods: Mapping[str, Method | None],
        hat: str | None = None,
        questions: int | None = 300,
        size: int = 448,
        share: float = 0.1,
        threshold: float = 1.0,
        low: float = 0.25,
        high: float = 0.75,
        shown: int = 2,
        at_once: int = 1,
        seed: int = 0,
    ):
        self.methods, self.answer_groups = chosen_methods(methods), AnswerGroups(low, high)
        taken = {CENTRE, RANDOM, PEOPLE} & set(self.methods)
        if taken or not 0 < share <= 1 or size < 2 or at_once < 1 or not 0 <= low <= high <= 1:
            raise UserError(
                f"study needs 0 < share ≤ 1, size ≥ 2, at_once ≥ 1, 0 ≤ low ≤ high ≤ 1 and no method called {CENTRE}, "
                f"{RANDOM} or {PEOPLE}: change what does not fit"
            )
        self.hat, self.questions, self.size, self.share, self.threshold = hat, questions, size, share, threshold
        self.low, self.high, self.shown, self.at_once, self.seed = low, high, shown, at_once, seed

    def __call__(self, task: Answerer, data: QuestionData, folder: Path) -> Outcome:
        """Raises UserError: not a VQA model of photos, no maps, no question left, or another study's run directory."""
        if not isinstance(task, Answerer):
            raise UserError("study=human_attention explains answers: give ckpt= a VQA model's checkpoint")
        if task.model.encoder.grid is None or data.features is not None:
            raise UserError("this study explains pixels: set data.cache_features=false, and take an encoder of photos")
        images = data.images(data.evaluated)
        people: People = DecidingObjects(images, self.size) if self.hat is None else HatMaps(self.hat)
        every = [Asked(image, q, task.answers.encode([q.answer])[0]) for image in images for q in image.questions]
        mapped = [asked for asked in every if asked.question in people]
        known = [asked for asked in mapped if asked.right >= 0]
        chosen = [known[i] for i in drawn(range(len(known)), self.questions, self.seed)]
        skipped: dict[str, Sequence[str | int]] = {
            "answers outside the vocabulary": [asked.question.id for asked in mapped if asked.right < 0],
            "maps without a question": encodable_values(people.unasked({asked.question.id for asked in every})),
        }
        if not chosen:
            counts = ", ".join(f"{len(ones)} {what}" for what, ones in skipped.items())
            raise UserError(
                f"no {data.evaluated} question has both a map and a known answer ({counts}): check study.hat"
            )
        journal = Journal(folder / "human_attention.jsonl", self._settings(task, data, people))
        self._go_on(task, data, people, chosen, journal, folder)
        by_question = {record["question_id"]: record for record in journal.records}
        records = [by_question[asked.question.id] for asked in chosen]
        if not any(record["rows"] for record in records):
            raise UserError(
                f"none of the {len(chosen)} questions has a photo and a map that can be read: check study.hat"
            )
        for kind in ("unreadable maps", "unreadable photos"):
            skipped[kind] = [name for record in records for name in record[kind]]
        report = AttentionReport(self.answer_groups, data.evaluated, people.label, self.seed)
        return report(records, skipped)

    def _settings(self, task: Answerer, data: QuestionData, people: People) -> dict[str, Any]:
        """All that a question's rows depend on."""
        return {
            "model": weights_digest(task.model),
            "data": [data.name, data.evaluated],
            "people": [people.label, self.hat],
            "methods": {name: described(method) for name, method in self.methods.items()},
            "size": self.size,
            "share": self.share,
            "threshold": self.threshold,
            "seed": self.seed,
        }

    def _go_on(
        self,
        task: Answerer,
        data: QuestionData,
        people: People,
        chosen: Sequence[Asked],
        journal: Journal,
        folder: Path,
    ) -> None:
        """Adds what the journal lacks, a few questions in memory at a time."""
        done = {record["question_id"] for record in journal.records}
        left = [asked for asked in chosen if asked.question.id not in done]
        drawn_sheets = Counter(record["sheet"] for record in journal.records)
        with tqdm(total=len(chosen), initial=len(chosen) - len(left), unit="question", disable=None) as bar:
            for start in range(0, len(left), self.at_once):
                group = left[start : start + self.at_once]
                for asked, looks, answer in self._explained(task, data, people, group):
                    record = self._record(task, asked, looks, answer)
                    kind = sheet_kind(asked, answer, self.low, self.high)
                    if answer is not None and looks.maps and kind and drawn_sheets[kind] < self.shown:
                        figure = answer_sheet(task, asked, looks, people.label, answer, self.size)
                        save(figure, folder / "figures" / f"{kind}_{asked.question.id}.png")
                        drawn_sheets[kind] += 1
                        record["sheet"] = kind
                    journal.add(record)
                bar.update(len(group))

    def _explained(
        self, task: Answerer, data: QuestionData, people: People, group: Sequence[Asked]
    ) -> Iterator[tuple[Asked, HumanMaps, ExplainedAnswer | None]]:
        """Each question with people's maps and what the model tells; None where the photo cannot be read, or no map."""
        looks = [people.of(asked.question) for asked in group]
        pixels: dict[int, Tensor] = {}
        for i, asked in enumerate(group):
            if looks[i].maps:
                try:
                    pixels[i] = task.model.encoder.preprocessing(load_image(asked.image.path))
                except UserError:
                    continue
        answers: dict[int, ExplainedAnswer] = {}
        if pixels:
            explained = explain(
                task, data, [group[i] for i in pixels], torch.stack(list(pixels.values())), self.methods
            )
            answers = dict(zip(pixels, explained, strict=True))
        for i, asked in enumerate(group):
            yield asked, looks[i], answers.get(i)

    def _record(self, task: Answerer, asked: Asked, looks: HumanMaps, answer: ExplainedAnswer | None) -> dict[str, Any]:
        record: dict[str, Any] = {
            "question_id": asked.question.id,
            "unreadable maps": encodable_values(looks.unreadable),
            "unreadable photos": [encodable(asked.image.path.name)] if looks.maps and answer is None else [],
            "sheet": None,
            "weights": None,
            "rows": [],
        }
        if answer is None:
            return record
        human = np.concatenate([squared(looked, self.size) for looked in looks.maps])
        ranged, _ = standardised(human.reshape(len(human), -1))
        weights = np.histogram(ranged, BINS, (0, 1))[0] / ranged.size
        about = {
            "question_id": asked.question.id,
            "image_id": asked.image.id,
            "question": asked.question.text,
            "correct": answer.predicted == asked.right,
            "confidence": answer.confidence,
            "people": len(human),
        }
        answers = {RIGHT: asked.right, PREDICTED: answer.predicted}
        names = [task.answers.answers[answers[target]] for target in (RIGHT, PREDICTED)]
        said = dict(zip((RIGHT, PREDICTED), names, strict=True)) | {None: None}
        rows = [
            {**about, "method": method, "target": target, "answer": said[target], **values}
            for (method, target), values in self._compared(asked, human, answer).items()
        ]
        return record | {"weights": weights.tolist(), "rows": rows}

    def _compared(
        self, asked: Asked, human: Array, answer: ExplainedAnswer
    ) -> dict[tuple[str, str | None], dict[str, float]]:
        """Similarity with people, averaged over these, by method and target."""
        side = answer.pixels.shape[-1]
        noise = np.random.default_rng([self.seed, asked.question.id]).random((1, side, side))
        targets = (RIGHT, PREDICTED)
        maps: dict[tuple[str, str | None], Array] = {
            (name, target): line
            for name, lines in answer.maps.items()
            for target, line in zip(targets, lines, strict=False)
        }
        maps |= {(CENTRE, None): centre_prior(self.size), (RANDOM, None): noise[0]}
        stacked = np.concatenate([squared(line, self.size) for line in maps.values()])
        people = prepare(human, self.share, self.threshold)
        with_people = similarities(prepare(stacked, self.share, self.threshold), people)
        similarity = {
            key: {name: float(values[i].mean()) for name, values in with_people.items()} for i, key in enumerate(maps)
        }
        if len(human) > 1:
            others = ~np.eye(len(human), dtype=bool)
            among = similarities(people, people)
            similarity[PEOPLE, None] = {name: float(values[others].mean()) for name, values in among.items()}
        return similarity
