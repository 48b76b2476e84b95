"""Batches of cached features: the memory-mapped store against per-item reads of an HDF5 file.

`python -m tests.benchmarks.features` writes tests/benchmarks/results/features.json; the bound is a ratio of 0.6.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np

from tests.benchmarks.timing import write
from whysaid.data.features.store import FeatureStore
from whysaid.data.features.writer import FeatureWriter

IMAGES, REGIONS, DIM, BATCH, ROUNDS = 600, 196, 512, 50, 7
BOUND = 0.6


def build(folder: Path) -> tuple[FeatureStore, h5py.Dataset]:
    """The same float16 features in a store and in one HDF5 data set."""
    random = np.random.default_rng(0)
    file = h5py.File(folder / "features.h5", "w")
    items = file.create_dataset("features", (IMAGES, REGIONS, DIM), np.float16)
    with FeatureWriter(folder / "store", "benchmark", (REGIONS, DIM)) as writer:
        for i in range(IMAGES):
            features = random.standard_normal((REGIONS, DIM), np.float32).astype(np.float16)
            writer.add(str(i), features)
            items[i] = features
    file.close()
    return FeatureStore(folder / "store"), h5py.File(folder / "features.h5", "r")["features"]


def epoch_ms(read: Callable[[Sequence[int]], np.ndarray], order: np.ndarray) -> float:
    """Milliseconds a batch, over one epoch in the given order."""
    start = time.perf_counter()
    for ids in order.reshape(-1, BATCH).tolist():
        read(ids)
    return (time.perf_counter() - start) / (len(order) / BATCH) * 1e3


def main() -> dict[str, float]:
    """Alternates the two over fresh random orders, both files warm in the page cache; prints and writes medians."""
    with tempfile.TemporaryDirectory() as name:
        store, items = build(Path(name))
        readers = {
            "store": lambda ids: store.batch([str(i) for i in ids]),
            "hdf5": lambda ids: np.stack([items[i] for i in ids]),
        }
        times: dict[str, list[float]] = {reader: [] for reader in readers}
        random = np.random.default_rng(1)
        assert np.array_equal(*(read(range(BATCH)) for read in readers.values()))
        for _ in range(ROUNDS + 1):
            order = random.permutation(IMAGES)
            for reader, read in readers.items():
                times[reader].append(epoch_ms(read, order))
    medians = {f"{reader}_ms": statistics.median(values[1:]) for reader, values in times.items()}
    result = {**medians, "ratio": medians["store_ms"] / medians["hdf5_ms"], "bound": BOUND}
    print(json.dumps(result, indent=2), write("features", result), sep="\n")
    return result


if __name__ == "__main__":
    main()
