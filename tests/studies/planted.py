"""Captioners and methods of which it is known what a word rests on.

V words, P patches of two by two pixels, row-major.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from whysaid.attribution.method import Explanation
from whysaid.attribution.targets import Targets
from whysaid.data.batch import CaptionBatch
from whysaid.data.images import Preprocessing
from whysaid.data.vocabulary import Vocabulary
from whysaid.models.captioner import Captioner, CellOutput, State, rows
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.word_captioner import Features, WordCaptioner
from whysaid.studies.common.captioned import CaptionedBatch, ObjectMention
from whysaid.studies.common.word_sample import Group

PATCH, SIDE = 2, 8
PATCHES = (SIDE // PATCH) ** 2


class Patches(Encoder):
    """The mean of each patch as a region of one feature."""

    def __init__(self) -> None:
        super().__init__()
        self.dim, self.grid = 1, (SIDE // PATCH, SIDE // PATCH)
        self.preprocessing = Preprocessing(SIDE, (0.5,) * 3, (0.5,) * 3)

    def forward(self, images: Tensor) -> Regions:
        return Regions(nn.functional.avg_pool2d(images.mean(1, keepdim=True), PATCH).flatten(2).transpose(1, 2))


class Planted(WordCaptioner):
    """logit of word w = Σ of `words[w]` over all words read, plus `patches[w]` · the patches of the image.

    Args:
        words: (V, V). patches: (V, P).
    """

    def __init__(self, words: Tensor, patches: Tensor):
        size = len(words)
        super().__init__(Patches(), size, size, size, 0.0)
        nn.init.eye_(self.embedding.weight)
        nn.init.eye_(self.vocabulary_layer.weight)
        nn.init.zeros_(self.vocabulary_layer.bias)
        self.read_words, self.looks = nn.Linear(size, size, bias=False), nn.Linear(PATCHES, size, bias=False)
        self.read_words.weight.data, self.looks.weight.data = words.float(), patches.float()
        self.eval()

    def project(self, regions: Tensor, mask: Tensor | None = None) -> Features:
        return Features(regions, regions, self.looks(regions.squeeze(-1)))

    def start(self, features: Features) -> State:
        return (torch.zeros_like(features.pooled),)

    def drive(self, embedded: Tensor) -> Tensor:
        return self.read_words(embedded)

    def advance(self, word: Tensor, state: State, features: Features) -> CellOutput:
        total = state[0] + word
        attention = total.new_full((len(word), PATCHES), 1 / PATCHES)
        return CellOutput(total + rows(features.pooled, word), attention, None, (total,))


class Fixed:
    """A method that says what it is told: `words(tokens)` (B, T, S), or `pixels` (H, W) of every word."""

    def __init__(self, words: Callable[[Tensor], Tensor] | None = None, pixels: Tensor | None = None):
        self.words, self.pixels = words, pixels

    def attribute(self, model: Captioner, batch: CaptionBatch | Tensor, targets: Targets) -> Explanation:
        shape = len(targets.tokens), len(targets.places)
        words = torch.zeros(*shape, targets.tokens.shape[1])
        if self.words is not None:
            words = self.words(targets.inputs())[:, None].expand(*shape, -1)
        pixels = None if self.pixels is None else self.pixels.expand(*shape, 1, *self.pixels.shape)
        return Explanation(pixels, torch.zeros(*shape, PATCHES), words, torch.zeros(*shape))


def group(
    images: Tensor, tokens: Tensor, mentions: list[ObjectMention], captions: list[list[str]] | None = None
) -> Group:
    """Images (B, 3, H, W) with ids 1 … B and captions (B, S)."""
    batch = CaptionBatch(torch.arange(len(images)) + 1, tokens[:, None], images)
    return Group(batch, tokens, captions or [[] for _ in images], mentions)


def captioned(captioner: Planted, images: Tensor, tokens: Tensor, captions: list[list[str]]) -> CaptionedBatch:
    """The same, as `caption_split` gives it."""
    batch = CaptionBatch(torch.arange(len(images)) + 1, tokens[:, None], images)
    with torch.no_grad():
        return CaptionedBatch(batch, captioner.features(batch), tokens, captions, [("",)] * len(images))


def one_patch(number: int) -> Tensor:
    """(H, W): 1 in the patch of this number, 0 elsewhere."""
    heat = torch.zeros(PATCHES)
    heat[number] = 1
    return heat.view(SIDE // PATCH, -1).repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)


class Chain:
    """A filter that allows one caption only."""

    def __init__(self, words: list[str], vocabulary: Vocabulary):
        self.indices = [vocabulary.index[word] for word in words]

    def __call__(self, log_p: Tensor, tokens: Tensor) -> Tensor:
        only = torch.full_like(log_p, -torch.inf)
        place = self.indices[tokens.shape[1]]
        only[:, place] = log_p[:, place]
        return only
