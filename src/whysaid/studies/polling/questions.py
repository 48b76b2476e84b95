"""What is asked, and of which pictures: polls from annotations, or from files of POPE's or AMBER's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whysaid.data.annotated import read_instances
from whysaid.data.images import Photo
from whysaid.data.poll_files import read_polls
from whysaid.data.polls import KINDS, Poll, polls
from whysaid.errors import UserError
from whysaid.studies.common.captioned import drawn

Questions = Mapping[str, Sequence[Poll]]
"""Kind of a poll → its questions."""


@dataclass(frozen=True)
class FromAnnotations:
    """Polls from the annotated objects of a split.

    Attributes:
        kinds: of `KINDS`; wording, per_image, objects: as `polls` takes them.
        images: of the split, drawn by `seed` among the annotated ones; None takes all.
        seed: of what is drawn.
    """

    kinds: Sequence[str] = KINDS
    wording: str = "is there {article} {object} in the picture?"
    per_image: int = 3
    objects: int = 1
    images: int | None = None
    seed: int = 0

    def __call__(self, photos: Sequence[Photo]) -> Questions:
        """Raises UserError: there is no such kind, or nothing is annotated."""
        instances = read_instances(photos)
        annotated = [photo.id for photo in photos if photo.id in instances.covered]
        chosen = [annotated[i] for i in drawn(range(len(annotated)), self.images, self.seed)]
        settings = (self.wording, self.per_image, self.objects, self.seed)
        return {kind: polls(instances, chosen, kind, *settings) for kind in self.kinds}


@dataclass(frozen=True)
class FromFiles:
    """Polls as they are published.

    Attributes:
        files: of POPE's or AMBER's questions; each is a kind of its own, called as the file.
        answers, pictures: as `read_polls` takes them.
        images: that are asked about, drawn by `seed`; None takes all.
        seed: of that draw.
    """

    files: Sequence[str]
    answers: str | None = None
    pictures: str | None = None
    images: int | None = None
    seed: int = 0

    def __call__(self, photos: Sequence[Photo]) -> Questions:
        """Raises UserError: a file cannot be read, or asks about none of the pictures."""
        known = {photo.id for photo in photos}
        answers, pictures = (None if path is None else Path(path) for path in (self.answers, self.pictures))
        asked = {Path(file).stem: read_polls(Path(file), answers, pictures) for file in self.files}
        ids = sorted({poll.image_id for of in asked.values() for poll in of if poll.path or poll.image_id in known})
        if not ids:
            raise UserError(
                "none of the pictures that study.files ask about is in this split: give their folder as study.pictures"
            )
        left = set(ids) - {ids[i] for i in drawn(range(len(ids)), self.images, self.seed)}
        return {kind: [poll for poll in of if poll.image_id not in left] for kind, of in asked.items()}
