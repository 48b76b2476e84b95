"""The meeting of data and encoder: the preprocessing of pixels, or the cache of features."""

from pathlib import Path
from typing import Any

from whysaid.data.features.bottom_up import open_regions
from whysaid.data.features.featured import Featured
from whysaid.data.features.store import FeatureStore
from whysaid.data.splits import SPLITS
from whysaid.data.vocabulary import Vocabulary
from whysaid.models.encoders.cache import cache_features, encoder_fingerprint
from whysaid.models.encoders.encoder import Encoder


def attach(data: Featured[Any], encoder: Encoder, vocabulary: Vocabulary | None = None) -> None:
    """Tells the data how the encoder wants its pixels, or fills and opens the cache of its features.

    Regions without a grid are not computed from pixels: `python -m src.prepare` has filled their cache.
    """
    if not data.cache_features:
        data.use(encoder.preprocessing, vocabulary=vocabulary)
        return
    mark = encoder_fingerprint(encoder)
    folder = feature_folder(data, encoder, mark)
    files = {image.id: image.path for split in SPLITS for image in data.images(split)}
    if encoder.grid is None:
        data.use(encoder.preprocessing, open_regions(folder, mark, files), vocabulary)
        return
    broken = cache_features(encoder, files, folder, workers=data.num_workers)
    data.use(encoder.preprocessing, FeatureStore(folder, mark), vocabulary)
    data.drop({image_id: str(files[image_id]) for image_id in broken})


def feature_folder(data: Featured[Any], encoder: Encoder, mark: str) -> Path:
    """Returns the folder in which the features of an encoder with the fingerprint `mark` are kept."""
    return data.cache_dir / f"features-{type(encoder).__name__.lower()}-{mark[:12]}"
