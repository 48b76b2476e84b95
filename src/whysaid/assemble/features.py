"""The meeting of data and encoder: the preprocessing of pixels, or the cache of features."""

import logging
from pathlib import Path
from typing import Any, TypeVar

from whysaid.data.features.bottom_up import open_regions
from whysaid.data.features.featured import Featured, ModelInputs
from whysaid.data.features.pictures import PictureFeatures, picture_keys
from whysaid.data.features.store import FeatureStore
from whysaid.data.files.kept import Unkept
from whysaid.data.questions.answers import AnswerVocabulary
from whysaid.data.splits import SPLITS
from whysaid.data.vocabulary import Vocabulary
from whysaid.errors import UserError
from whysaid.models.encoders.cache import cache_features, encoder_fingerprint
from whysaid.models.encoders.encoder import Encoder

log = logging.getLogger(__name__)

Data = TypeVar("Data", bound=Featured[Any])


def seen_by(
    encoder: Encoder,
    data: Data,
    vocabulary: Vocabulary | None = None,
    answers: AnswerVocabulary | None = None,
    as_pixels: bool = False,
) -> Data:
    """Returns the data as the encoder sees them: pixels as it wants them, or its features, which are cached first.

    Where they cannot be kept, the encoder runs on the pixels of every batch.

    Args:
        encoder: of the model.
        data: as the configuration describes them.
        vocabulary, answers: a checkpoint's; None takes those of the training split.
        as_pixels: whatever `data.cache_features` says.
    """
    features, unreadable = None, set[Path]()
    if data.cache_features and not as_pixels:
        try:
            features, unreadable = cached_features(encoder, data)
        except Unkept as error:
            log.warning("%s; the encoder runs on each picture whenever it is needed", error)
    return data.for_model(ModelInputs(encoder.preprocessing, features, vocabulary, answers), unreadable)


def require_one_input(data: Featured[Any], tune_encoder: bool) -> None:
    """Raises UserError where an encoder is to be trained, which takes pixels, and its features are stored."""
    if data.cache_features and tune_encoder:
        raise UserError("task.tune_encoder trains on pixels, data.cache_features on stored features: turn one off")


def cached_features(encoder: Encoder, data: Featured[Any]) -> tuple[PictureFeatures, set[Path]]:
    """Fills and opens the cache of an encoder's features of all splits.

    Regions without a grid are not computed from pixels: `python -m src.prepare` has filled their cache.

    Returns:
        The features, and the files of the images that cannot be read.

    Raises:
        Unkept: they are not there, and the cache's folder cannot be written.
    """
    mark = encoder_fingerprint(encoder)
    folder = feature_folder(data, encoder, mark)
    keys = keys_of(data, encoder)
    unreadable = {image.path for split in SPLITS for image in data.images(split)} - {path for _, path in keys}
    if encoder.grid is None:
        return PictureFeatures(open_regions(folder, mark, keys), keys), unreadable
    broken = set(
        cache_features(encoder, {key: path for (_, path), key in keys.items()}, folder, workers=data.num_workers)
    )
    unreadable |= {path for (_, path), key in keys.items() if key in broken}
    return PictureFeatures(FeatureStore(folder, mark), keys), unreadable


def keys_of(data: Featured[Any], encoder: Encoder) -> dict[tuple[int, Path], str]:
    """Returns the keys under which an encoder's features of a data set's pictures are stored, see `picture_keys`."""
    photos = (image for split in SPLITS for image in data.images(split))
    return picture_keys(photos, data.cache_dir / "pictures.json", with_id=encoder.grid is None)


def feature_folder(data: Featured[Any], encoder: Encoder, mark: str) -> Path:
    """Returns the folder in which the features of an encoder with the fingerprint `mark` are kept."""
    return data.cache_dir / f"features-{type(encoder).__name__.lower()}-{mark[:12]}"
