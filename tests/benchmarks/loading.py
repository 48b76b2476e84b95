"""What loading data costs: its share of a training step on cached features, and photos decoded in a second of one core.

`python -m tests.benchmarks.loading` writes tests/benchmarks/results/loading.json; at least 95 % of a step is compute.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.benchmarks.timing import cpu_seconds, write
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.dataset import CaptionDataset
from whysaid.data.features.pictures import PictureFeatures
from whysaid.data.features.store import FeatureStore
from whysaid.data.features.writer import FeatureWriter
from whysaid.data.images import imagenet_preprocessing, load_image
from whysaid.data.splits import Splits
from whysaid.data.vocabulary import Vocabulary
from whysaid.data.words import words
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.gridtd import GridTD
from whysaid.objectives.cross_entropy import CrossEntropy

REGIONS, DIM = 196, 512
"""Of VGG16 at 224 pixels."""

IMAGES, BATCH, WORDS, STEPS = 512, 16, 10, 12
PHOTOS, SIZE = 100, (640, 480)
BOUND = 0.95
REAL = Path(__file__).parents[3] / "shared/data/coco_small/val2017"


class Synthetic(Splits[CaptionedImage]):
    """Random features and captions of the size of COCO's."""

    def __init__(self, folder: Path):
        super().__init__(self, BATCH, BATCH)
        random = np.random.default_rng(0)
        said = [f"w{i}" for i in range(8000)]
        captions = [[" ".join(random.choice(said, WORDS)) for _ in range(5)] for _ in range(IMAGES)]
        self.read_images = [CaptionedImage(i, folder / f"{i}.jpg", tuple(group)) for i, group in enumerate(captions)]
        every = (words(caption) for image in self.read_images for caption in image.captions)
        self.vocabulary = Vocabulary.build(every, 1)
        with FeatureWriter(folder, "benchmark", (REGIONS, DIM)) as writer:
            for i in range(IMAGES):
                writer.add(str(i), random.standard_normal((REGIONS, DIM), np.float32))
        keys = {(image.id, image.path): str(image.id) for image in self.read_images}
        self.features = PictureFeatures(FeatureStore(folder), keys)

    def read(self, split: str) -> list[CaptionedImage]:
        return self.read_images

    def dataset(self, split: str) -> CaptionDataset:
        how = imagenet_preprocessing()
        return CaptionDataset(self.read_images, self.vocabulary, how, 5, WORDS + 2, self.features)


def shares(folder: Path) -> dict[str, float]:
    """Milliseconds of a step spent on the batch and on the model, and the latter's share."""
    data = Synthetic(folder)
    torch.manual_seed(0)
    model = GridTD(RegionFeatures(DIM), len(data.vocabulary), embed_dim=512, hidden_dim=512, attention_dim=512)
    optimizer, objective = torch.optim.Adam(model.parameters(), 5e-4), CrossEntropy()
    batches: Iterator[Any] = iter(data.loader("train"))
    loading, computing = [], []
    for step in range(STEPS):
        begun = time.perf_counter()
        batch = next(batches)
        loaded = time.perf_counter()
        loss, _ = objective(model, batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loading.append(loaded - begun)
        computing.append(time.perf_counter() - loaded)
    load_ms, step_ms = (1e3 * float(np.mean(times[2:])) for times in (loading, computing))
    return {"load_ms": load_ms, "compute_ms": step_ms, "compute_share": step_ms / (step_ms + load_ms)}


def photos(folder: Path) -> list[Path]:
    """JPEGs of COCO's size: its photos where they are there, otherwise smooth noise."""
    random, paths = np.random.default_rng(0), []
    real = sorted(REAL.glob("*.jpg"))[:PHOTOS]
    for i in range(PHOTOS):
        paths.append(folder / f"{i}.jpg")
        noise = Image.fromarray(random.integers(0, 256, (48, 64, 3), np.uint8))
        (Image.open(real[i]) if real else noise).convert("RGB").resize(SIZE).save(paths[-1], quality=92)
    return paths


def decoded_per_second(folder: Path) -> float:
    """Photos that one core decodes, resizes to 224 pixels and normalises in a second of its time."""
    paths, prepare = photos(folder), imagenet_preprocessing()
    return len(paths) / cpu_seconds(lambda: [prepare(load_image(path)) for path in paths])


def main() -> dict[str, Any]:
    """Measures, prints and writes."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        result = {**shares(Path(name)), "bound": BOUND}
        result["photos_per_second"] = decoded_per_second(Path(name))
    write("loading", result)
    print(json.dumps(result, indent=2))
    assert result["compute_share"] >= BOUND, "loading takes too much of a step"
    return result


if __name__ == "__main__":
    main()
