"""Which objects that captions name are there, by the same truth as CHAIR."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whysaid.metrics.hallucination import Hallucination
from whysaid.studies.common.captioned import CaptionedBatch, ObjectMention, named_objects


@dataclass(frozen=True)
class JudgedWord:
    """A word that names an object: in which picture, whether that is there, and each score that is known of it."""

    image_id: int
    word: str
    supported: bool
    scores: dict[str, float]


def judged_mentions(
    captioned: CaptionedBatch, metric: Hallucination, left: Sequence[str | None] | None = None
) -> list[ObjectMention]:
    """The captions' objects, those left out of which the truth says nothing.

    Args:
        captioned: B captions.
        metric: says what counts as an object, and what says that it is there.
        left: B categories that have left the pictures since the truth was written down; None: none has.
    """
    captions = {i: " ".join(words) for i, words in zip(captioned.ids, captioned.captions, strict=True)}
    records = metric.records(captions, dict(zip(captioned.ids, captioned.references, strict=True)))
    by_id = {record["image_id"]: record for record in records}
    mentions = []
    for mention in named_objects(captioned, metric.object_words):
        record = by_id.get(captioned.ids[mention.row])
        if record is not None and mention.category in record["objects"]:
            gone = left is not None and left[mention.row] == mention.category
            mentions.append(replace(mention, supported=mention.category in record["present"] and not gone))
    return mentions
