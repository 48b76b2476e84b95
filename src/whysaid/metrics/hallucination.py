"""Objects that captions mention and images do not hold.

True is what a reference caption or an instance annotation supports, as in CHAIR (Rohrbach et al. 2018) and Table 5 of
Sun et al. 2020.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from whysaid.data.annotated import read_annotations
from whysaid.data.instances import Instances
from whysaid.data.object_words import ObjectWords
from whysaid.errors import UserError
from whysaid.metrics.score import Hypotheses, References, Score

Record = dict[str, Any]
"""One caption's objects; the keys stand in `caption_records`."""

Truth = Literal["references", "instances", "either"]
"""What says that an object is there: a reference caption, an instance annotation, or either of them as in CHAIR."""


class WordScore(NamedTuple):
    """Captions that are right about one object: images that it is predicted of, rightly so, and present in."""

    predicted: int
    true: int
    present: int

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP); None where it is never predicted."""
        return self.true / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """TP / (TP + FN); None where it is in no image."""
        return self.true / self.present if self.present else None


def caption_records(
    predictions: Mapping[int, str],
    references: Mapping[int, Sequence[str]],
    object_words: ObjectWords,
    instances: Instances | None = None,
    truth: Truth = "references",
) -> list[Record]:
    """One record per prediction: image_id, caption, objects, supported, hallucinated, present, references.

    `objects` holds the category of each mention in order, repeats included; `supported` and `hallucinated` share
    these out; `present` is the sorted list of categories that are there. Where the truth is `instances` alone, images
    without annotations have no record, and mentions of categories that an image is not annotated for are left out.
    """
    annotated = instances if instances is not None and truth != "references" else Instances()
    records = []
    for image_id, caption in predictions.items():
        if truth == "instances" and image_id not in annotated.covered:
            continue
        present = {instance.category for instance in annotated.objects.get(image_id, ())}
        objects = object_words.mentioned(caption)
        if truth == "instances":
            objects = [name for name in objects if name in annotated.covered[image_id]]
        else:
            present |= {name for reference in references[image_id] for name in object_words.mentioned(reference)}
        records.append(
            {
                "image_id": image_id,
                "caption": caption,
                "objects": objects,
                "supported": [name for name in objects if name in present],
                "hallucinated": [name for name in objects if name not in present],
                "present": sorted(present),
                "references": list(references[image_id]),
            }
        )
    return records


def word_scores(records: Sequence[Record]) -> dict[str, WordScore]:
    """Scores of each object that is predicted or present, each once a caption; the most often hallucinated first."""
    predicted = Counter(name for record in records for name in set(record["objects"]))
    true = Counter(name for record in records for name in set(record["supported"]))
    present = Counter(name for record in records for name in record["present"])
    by_word = {name: WordScore(predicted[name], true[name], present[name]) for name in sorted(predicted | present)}
    return dict(sorted(by_word.items(), key=lambda item: item[1].true - item[1].predicted))


def hallucination_scores(records: Sequence[Record], min_count: int = 1) -> dict[str, Score]:
    """Scores that `Hallucination` reports, from at least one record."""
    words = word_scores(records).values()
    precisions = [word.true / word.predicted for word in words if word.predicted >= max(min_count, 1)]
    predicted, true, present = (sum(counts) for counts in zip(*words, strict=True)) if words else (0, 0, 0)
    hallucinated = {record["image_id"]: float(bool(record["hallucinated"])) for record in records}
    mentions = sum(len(record["objects"]) for record in records)
    scores = {
        "CHAIRs": Score(sum(hallucinated.values()) / len(records), hallucinated),
        "object_mAP_words": Score(float(len(precisions))),
        "objects_never_predicted": Score(float(sum(not word.predicted for word in words))),
    }
    if mentions:
        scores["CHAIRi"] = Score(sum(len(record["hallucinated"]) for record in records) / mentions)
        scores["object_precision"] = Score(true / predicted)
    if present:
        scores["object_recall"] = Score(true / present)
    if precisions:
        scores["object_mAP"] = Score(sum(precisions) / len(precisions))
    return scores


class Hallucination:
    """Object hallucination of a set of captions.

    `CHAIRs`: share of captions with a hallucinated object. `CHAIRi`: share of object mentions that are hallucinated.
    `object_precision`: TP / (TP + FP) over all predicted objects, each once a caption. `object_recall`: TP / (TP + FN)
    over all objects that are there. `object_mAP`: the mean of the precision over object words predicted in at least
    `min_count` captions (Table 5 of Sun et al. 2020: over 50 for Flickr30k, over 100 for COCO); `object_mAP_words`: how
    many words that mean is over; `objects_never_predicted`: how many are present in an image and in no prediction,
    which are not scored 0. Shares are 0–1, and are left out where they are of nothing.

    Args:
        object_words: which words are objects.
        min_count: captions.
        truth: what says that an object is there.
        annotations: folder of `instances_*.json`, or one such file, read where the truth first asks for them.
    """

    names = (
        "CHAIRs",
        "CHAIRi",
        "object_precision",
        "object_recall",
        "object_mAP",
        "object_mAP_words",
        "objects_never_predicted",
    )

    def __init__(
        self,
        object_words: ObjectWords,
        min_count: int = 1,
        truth: Truth = "references",
        annotations: str | None = None,
    ):
        if truth not in get_args(Truth):
            raise UserError(f"metrics.truth is {truth!r}: set it to one of {', '.join(get_args(Truth))}")
        self.object_words, self.min_count, self.truth = object_words, min_count, truth
        self.annotations = None if annotations is None else Path(annotations)
        self._instances: Instances | None = None

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        """Raises UserError: the truth asks for annotations, and no image has any."""
        records = self.records(hypotheses, references)
        if self._instances is not None and not any(i in self._instances.covered for i in hypotheses):
            raise UserError(
                f"metrics.truth={self.truth}, and no instances_*.json in {self.annotations} annotates one of these "
                "images: set metrics.annotations to their folder, or metrics.truth=references"
            )
        return hallucination_scores(records, self.min_count)

    def records(self, predictions: Mapping[int, str], references: Mapping[int, Sequence[str]]) -> list[Record]:
        """Makes `caption_records` by this truth."""
        if self.truth != "references" and self._instances is None:
            self._instances = Instances() if self.annotations is None else read_annotations(self.annotations)
        return caption_records(predictions, references, self.object_words, self._instances, self.truth)
