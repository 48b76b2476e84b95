"""What `python -m src.explain` asks of a task: a model that looks at one photo after another."""

from typing import Protocol

from PIL import Image

from whysaid.attribution.sentence import Sentence
from whysaid.checkpoint import Checkpoint
from whysaid.models.explainable import Explainable


class Subject(Protocol):
    """What `build_subject(config)` of a task's assembly gives: whoever can be explained on the user's own photos.

    model: in evaluation mode. checkpoint: where it comes from.
    """

    model: Explainable
    checkpoint: Checkpoint

    def look(self, photo: Image.Image) -> Sentence:
        """What the model says of an RGB photo of any size, or what it is told to say."""
        ...
