"""Objects that captions mention and images do not hold.

True is what a reference caption or an instance annotation supports, as in CHAIR (Rohrbach et al. 2018) and Table 5 of
Sun et al. 2020.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from src.metrics.objects import ObjectWords
from src.metrics.score import Hypotheses, References, Score

Record = dict[str, Any]
"""One caption's objects; the keys stand in `caption_records`."""

Annotated = Mapping[int, AbstractSet[str]]
"""image id → the categories its instance annotations hold."""


def caption_records(
    predictions: Mapping[int, str],
    references: Mapping[int, Sequence[str]],
    object_words: ObjectWords,
    annotated: Annotated | None = None,
) -> list[Record]:
    """One record per prediction: image_id, caption, objects, supported, hallucinated, present, references.

    `objects` holds the category of each mention in order, repeats included; `supported` and `hallucinated` share
    these out; `present` is the sorted list of categories that a reference mentions or `annotated` holds.
    """
    records = []
    for image_id, caption in predictions.items():
        present = {name for reference in references[image_id] for name in object_words.mentioned(reference)}
        present |= (annotated or {}).get(image_id, frozenset())
        objects = object_words.mentioned(caption)
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


def hallucination_scores(records: Sequence[Record], min_count: int = 1) -> dict[str, Score]:
    """What `Hallucination` reports, from records."""
    predicted = Counter(name for record in records for name in set(record["objects"]))
    true = Counter(name for record in records for name in set(record["supported"]))
    present = {name for record in records for name in record["present"]}
    precisions = [true[name] / count for name, count in predicted.items() if count >= min_count]
    hallucinated = {record["image_id"]: float(bool(record["hallucinated"])) for record in records}
    mentions = sum(len(record["objects"]) for record in records)
    scores = {
        "CHAIRs": Score(sum(hallucinated.values()) / len(records), hallucinated),
        "object_mAP_words": Score(float(len(precisions))),
        "objects_never_predicted": Score(float(len(present - set(predicted)))),
    }
    if mentions:
        scores["CHAIRi"] = Score(sum(len(record["hallucinated"]) for record in records) / mentions)
        scores["object_precision"] = Score(true.total() / predicted.total())
    if precisions:
        scores["object_mAP"] = Score(sum(precisions) / len(precisions))
    return scores


class Hallucination:
    """Object hallucination of a set of captions.

    `CHAIRs`: share of captions with a hallucinated object. `CHAIRi`: share of object mentions that are hallucinated.
    `object_precision`: TP / (TP + FP) over all predicted objects, each once a caption. `object_mAP`: the mean of that
    precision over object words predicted in at least `min_count` captions (Table 5 of Sun et al. 2020: over 50 for
    Flickr30k, over 100 for COCO); `object_mAP_words`: how many words that mean is over; `objects_never_predicted`: how
    many are present in an image and in no prediction, which are not scored 0. Shares are 0–1, and are left out where
    no object is mentioned.

    Args:
        object_words: which words are objects.
        min_count: captions.
        annotated: what instance annotations support beyond the references.
    """

    names = ("CHAIRs", "CHAIRi", "object_precision", "object_mAP", "object_mAP_words", "objects_never_predicted")

    def __init__(self, object_words: ObjectWords, min_count: int = 1, annotated: Annotated | None = None):
        self.object_words = object_words
        self.min_count = min_count
        self.annotated = annotated

    def __call__(self, hypotheses: Hypotheses, references: References) -> dict[str, Score]:
        records = caption_records(hypotheses, references, self.object_words, self.annotated)
        return hallucination_scores(records, self.min_count)
