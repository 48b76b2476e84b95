"""Do maps depend on the weights they should explain, and not on noise that cannot be seen?

M words, L groups of layers, D draws.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from whysaid.data.files.table import TableValue
from whysaid.errors import UserError
from whysaid.figures.curves import Curve, curves
from whysaid.metrics.faithfulness import rank_correlation, sensitivity, structural_similarity
from whysaid.models.explainable import Explainable
from whysaid.studies.common.probability import probability, project_images
from whysaid.studies.common.statistics import mean_interval
from whysaid.studies.common.word_maps import WordMaps
from whysaid.studies.common.word_sample import Group
from whysaid.studies.faithfulness.randomisation import layers_from_the_top, randomised, stages

Array = NDArray[np.floating]
Kept = list[tuple[Group, dict[str, Tensor]]]
"""Groups of words, with the maps (words of the group, H, W) of each method."""

CASCADING, INDEPENDENT, SENSITIVITY = "cascading", "independent", "sensitivity"


class Similarity(NamedTuple):
    """Of maps before and after randomisation: spearman and ssim, each (L, M)."""

    spearman: Array
    ssim: Array


@dataclass
class Sanity:
    """Model randomisation (Adebayo et al. 2018) and sensitivity (Yeh et al. 2019).

    Attributes:
        words: how many are looked at, or a few more: the words of an image stay together.
        stages: L, groups of layers that are randomised from the vocabulary layer down, all groups so far (cascading)
            and each alone (independent).
        noise: of the sensitivity, each pixel uniformly within ± this share of the range of pixels.
        draws: D, of that noise.
        seed: of weights and noise.

    Raises UserError: a number out of range.
    """

    words: int = 20
    stages: int = 6
    noise: float = 0.02
    draws: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.words, self.stages, self.draws) < 1 or self.noise <= 0:
            raise UserError("study.sanity needs words, stages, draws ≥ 1 and noise > 0: or leave it out with null")

    def check(self, maps: WordMaps, model: Explainable, kept: Kept) -> "Checked":
        """Explains the words again, on copies of the model without its weights and on images with noise.

        Args:
            maps: the methods.
            model: left as it was found.
            kept: the words, with the maps of `model`.
        """
        group, _ = kept[0]
        names = layers_from_the_top(
            model, lambda: probability(model, project_images(model, group.images[:1]), group.tokens[0], group.places[0])
        )
        layers = stages(names, self.stages)
        similar = {
            kind: self._similarity(maps, model, kept, layers, kind == CASCADING) for kind in (CASCADING, INDEPENDENT)
        }
        images = [image_id for group, _ in kept for image_id in group.ids()]
        return Checked(self, images, layers, similar, self._sensitivity(maps, model, kept))

    def _similarity(
        self, maps: WordMaps, model: Explainable, kept: Kept, layers: list[list[str]], cascading: bool
    ) -> dict[str, Similarity]:
        similarities: dict[str, list[tuple[Array, Array]]] = {name: [] for name in maps.names}
        for changed in randomised(model, layers, cascading, self.seed):
            pairs = [(true, maps(changed, group)) for group, true in kept]
            for name in maps.names:
                a, b = (torch.cat([pair[i][name] for pair in pairs]) for i in (0, 1))
                similarities[name].append((rank_correlation(a, b), structural_similarity(a, b)))
        return {name: Similarity(*map(np.array, zip(*parts, strict=True))) for name, parts in similarities.items()}

    def _sensitivity(self, maps: WordMaps, model: Explainable, kept: Kept) -> dict[str, Array]:
        generator = torch.Generator().manual_seed(self.seed)
        reach = self.noise / torch.tensor(model.encoder.preprocessing.std).view(-1, 1, 1)
        changes: dict[str, list[Array]] = {name: [] for name in maps.names}
        for group, true in kept:
            noise = (2 * torch.rand(self.draws, *group.images.shape, generator=generator) - 1) * reach
            noisy = [maps(model, group.with_images(group.images + draw.to(group.images))) for draw in noise]
            for name in maps.names:
                changes[name].append(sensitivity(true[name], torch.stack([heat[name] for heat in noisy])))
        return {name: np.concatenate(parts) for name, parts in changes.items()}


@dataclass
class Checked:
    """What `Sanity` found. images: (M,) ids. layers: L groups of names. sensitive: method → (M,)."""

    settings: Sanity
    images: list[int]
    layers: list[list[str]]
    similar: dict[str, dict[str, Similarity]]
    sensitive: dict[str, Array]

    def row(self, name: str) -> dict[str, TableValue]:
        """Cells of a method: |Spearman| after all groups (cascading) and on average over groups (independent), SSIM
        after all groups, and sensitivity; empty for a baseline that is no method."""
        cascading, alone = self.similar[CASCADING].get(name), self.similar[INDEPENDENT].get(name)
        if cascading is None or alone is None:
            parts = [f"{key}{end}" for key in (CASCADING, INDEPENDENT, SENSITIVITY) for end in ("", "_low", "_high")]
            return dict.fromkeys([*parts, "ssim"])
        seed = self.settings.seed
        return {
            **mean_interval(np.abs(cascading.spearman[-1]), self.images, seed).columns(CASCADING),
            **mean_interval(np.abs(alone.spearman).mean(0), self.images, seed).columns(INDEPENDENT),
            **mean_interval(self.sensitive[name], self.images, seed).columns(SENSITIVITY),
            "ssim": float(cascading.ssim[-1].mean()),
        }

    def figure(self) -> Figure:
        """|Spearman| with the true maps, group after group."""
        panels = {}
        for kind, similar in self.similar.items():
            start = [1.0] if kind == CASCADING else []
            lines = [Curve(n, start + np.abs(v.spearman).mean(1).tolist()) for n, v in similar.items()]
            panels[f"{kind.capitalize()} randomisation"] = (np.arange(1 - len(start), len(self.layers) + 1), lines)
        note = (
            "How alike the maps stay when the weights of the first layers (cascading) or of one group of layers alone "
            "(independent) are shuffled; a method that reads the model falls to 0. Means of "
            f"{len(self.images)} words in {len(set(self.images))} images."
        )
        return curves(
            panels, "group of layers, from the vocabulary to the pixels", "|Spearman| with the true map", note=note
        )

    def details(self) -> dict[str, object]:
        """Plain containers: the groups of layers, and mean similarities after each."""
        return {
            "layers": self.layers,
            "randomisation": {
                kind: {
                    name: {"spearman": values.spearman.mean(1).tolist(), "ssim": values.ssim.mean(1).tolist()}
                    for name, values in similar.items()
                }
                for kind, similar in self.similar.items()
            },
        }

    def note(self) -> str:
        """What the cells mean."""
        layers = sum(map(len, self.layers))
        return (
            f"{len(self.images)} words: cascading, independent: |Spearman| with the maps after {layers} layers in "
            f"{len(self.layers)} groups were shuffled, all of them or each group alone (0 for a constant map); "
            "ssim: as cascading; sensitivity: largest relative change under noise of "
            f"± {self.settings.noise:.0%} of the range of pixels."
        )
