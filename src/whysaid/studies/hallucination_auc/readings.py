"""What tells supported words without an explanation: how sure the captioner was, and what the picture, or the object in
it, adds to that.

B images, S words of a caption.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from whysaid.attribution.support.evidence import CONTRAST, LOG_P, PRESENCE, read_evidence
from whysaid.attribution.support.presence import Presence
from whysaid.data.annotated import read_instances
from whysaid.data.batch import Pictures
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.images import load_image
from whysaid.data.instances import Instances
from whysaid.data.removal.fills import Fill
from whysaid.data.removal.objects import removals
from whysaid.data.removal.removals import Removals
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.encoders.mean import know_mean
from whysaid.studies.common.captioned import CaptionedBatch, ObjectMention

CAPTIONER, REMOVAL = "captioner", "removal"
"""What stands in the place of a method in a score that no explanation gives."""

CERTAINTY = "certainty"

READ = {CAPTIONER: (LOG_P, CERTAINTY, CONTRAST, PRESENCE), REMOVAL: (LOG_P,)}
"""What can be read of each: the log-probability of a word, minus the entropy of its distribution, what the picture adds
to the log-probability, and the log-odds of a linear probe that the picture shows the object; and what the object that
the word names adds to the log-probability, 0 where it is not in the picture."""

Places = Mapping[tuple[int, int], float]
"""Image id and place of a word in its caption → a score."""


class Readings:
    """Reads the captions of a batch by each of the wanted scores.

    Args:
        wanted: name of a score → one of `READ`, and one of what can be read of it.
        fill: what takes the place of an object that leaves; None leaves the scores of removal out.
        captioner: in evaluation mode; the mean of its training features is computed where it is wanted and not known.
        data: as pixels.
        probe: tells what a picture shows; None leaves the scores of presence out.
    """

    def __init__(
        self,
        wanted: Mapping[str, tuple[str, str]],
        fill: Fill | None,
        captioner: Captioner,
        data: CaptionData,
        probe: Presence | None = None,
    ):
        missing = {REMOVAL: fill is None, PRESENCE: probe is None}
        self.wanted = {name: (of, by) for name, (of, by) in wanted.items() if not (missing.get(of) or missing.get(by))}
        self.captioner, self.instances, self.probe = captioner, Instances(), probe
        if CONTRAST in {by for _, by in self.wanted.values()}:
            know_mean(captioner, data)
        self.removal: Removals | None = None
        if fill is not None and REMOVAL in {of for of, _ in self.wanted.values()}:
            self.removal = Removals(fill, negatives=0, smallest=0, largest=1)
            photos = data.images(data.evaluated)
            self.paths, self.instances = {photo.id: photo.path for photo in photos}, read_instances(photos)
            if not self.instances.covered:
                raise UserError(
                    "no object of these images is annotated, so that none can be taken out: leave fill@study.fill out"
                )

    def __call__(self, captioned: CaptionedBatch, mentions: Sequence[ObjectMention]) -> Mapping[str, Places]:
        """Name of a score → its values for the words that name objects."""
        if not self.wanted:
            return {}
        reading = read_evidence(self.captioner, captioned.features, captioned.tokens, self.probe)
        of_captioner = {LOG_P: reading.log_p, CERTAINTY: -reading.entropy, CONTRAST: reading.contrast}
        found: dict[str, Places] = {}
        for name, (of, by) in self.wanted.items():
            values = of_captioner.get(by) if of == CAPTIONER else None
            if by == PRESENCE and self.probe is not None and reading.presence is not None:
                columns = self.probe.columns(m.category for m in mentions)
                found[name] = {
                    (captioned.ids[m.row], m.place): float(reading.presence[m.row, column])
                    for m, column in zip(mentions, columns, strict=True)
                }
            elif values is not None:
                found[name] = {(captioned.ids[m.row], m.place): float(values[m.row, m.place]) for m in mentions}
            elif of == REMOVAL:
                found[name] = self._drops(captioned, mentions, reading.log_p)
        return found

    def _drops(self, captioned: CaptionedBatch, mentions: Sequence[ObjectMention], log_p: Tensor) -> Places:
        """How much less probable each word is in the picture without what it names."""
        drops = {(captioned.ids[mention.row], mention.place): 0.0 for mention in mentions}
        gone, rows = [], []
        for row, category in sorted({(mention.row, mention.category) for mention in mentions}):
            pixels = self._without(captioned.ids[row], category)
            if pixels is not None:
                gone.append((row, category))
                rows.append(pixels)
        if not gone:
            return drops
        with torch.no_grad():
            pictures: Any = self.captioner.features(Pictures(torch.stack(rows).to(captioned.tokens.device)))
        without = read_evidence(self.captioner, pictures, captioned.tokens[[row for row, _ in gone]]).log_p
        for mention in mentions:
            if (mention.row, mention.category) in gone:
                changed = without[gone.index((mention.row, mention.category)), mention.place]
                drops[captioned.ids[mention.row], mention.place] = float(log_p[mention.row, mention.place] - changed)
        return drops

    def _without(self, image_id: int, category: str) -> Tensor | None:
        """The picture without all objects of a category, as the encoder sees it; None where none can leave."""
        assert self.removal is not None
        preprocessing = self.captioner.encoder.preprocessing
        objects = self.instances.objects.get(image_id, ())
        possible = removals(objects, [category], preprocessing.size, self.removal.sizes)
        if not possible:
            return None
        rng, photo = np.random.default_rng(image_id), load_image(self.paths[image_id])
        picture: Tensor = preprocessing(self.removal.picture(photo, image_id, possible[0], rng))
        return picture
