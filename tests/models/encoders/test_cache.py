from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from whysaid.data.features.index import StaleCache
from whysaid.data.features.store import FeatureStore
from whysaid.data.files.kept import Unkept
from whysaid.data.images import load_image
from whysaid.errors import UserError
from whysaid.models.encoders.cache import cache_features, encoder_fingerprint
from whysaid.models.encoders.efficientnet_lite0 import EfficientNetLite0
from whysaid.models.encoders.regions import RegionFeatures
from whysaid.models.encoders.scenes_cnn import ScenesCNN


@pytest.fixture
def encoder() -> ScenesCNN:
    torch.manual_seed(0)
    return ScenesCNN((8, 12), 16)


@pytest.fixture
def photos(tmp_path) -> dict[str, Path]:
    random, paths = np.random.default_rng(0), {}
    for key in "fcika":
        paths[key] = tmp_path / f"{key}.png"
        Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(paths[key])
    return paths


@pytest.mark.parametrize("workers", [0, 2])
def test_the_store_holds_what_the_encoder_gives(encoder, photos, tmp_path, workers):
    encoder.train()
    assert cache_features(encoder, photos, tmp_path / "cache", batch_size=2, workers=workers) == []
    assert encoder.training
    store = FeatureStore(tmp_path / "cache", encoder_fingerprint(encoder))
    assert store.keys == list(photos) and store.shape == (64, 12)
    encoder.eval()
    for key, path in photos.items():
        with torch.no_grad():
            expected = encoder(encoder.preprocessing(load_image(path))[None]).values[0]
        assert np.allclose(store[key], expected, rtol=2e-3, atol=1e-4)


def test_broken_images_are_reported_and_left_out(encoder, photos, tmp_path):
    photos["i"].write_bytes(photos["i"].read_bytes()[:200])
    photos["g"] = tmp_path / "gone.png"
    assert cache_features(encoder, photos, tmp_path / "cache", batch_size=2) == ["i", "g"]
    store = FeatureStore(tmp_path / "cache")
    assert store.keys == ["f", "c", "k", "a"]


def test_a_second_call_computes_only_what_is_missing(encoder, photos, tmp_path):
    first = dict(list(photos.items())[:3])
    cache_features(encoder, first, tmp_path / "cache")
    batches = []
    encoder.register_forward_hook(lambda module, args, output: batches.append(len(args[0])))
    cache_features(encoder, photos, tmp_path / "cache")
    assert batches == [2] and FeatureStore(tmp_path / "cache").keys == list(photos)


@pytest.mark.parametrize("workers", [0, 2])
def test_filling_the_cache_draws_nothing(encoder, photos, tmp_path, workers):
    before = torch.get_rng_state()
    cache_features(encoder, photos, tmp_path / "cache", batch_size=2, workers=workers)
    assert torch.equal(torch.get_rng_state(), before)


def test_another_encoder_makes_the_cache_stale_and_rebuilds_it(encoder, photos, tmp_path):
    cache_features(encoder, photos, tmp_path / "cache")
    other = ScenesCNN((8, 12), 16)
    with pytest.raises(StaleCache, match="another encoder"):
        FeatureStore(tmp_path / "cache", encoder_fingerprint(other))
    cache_features(other, photos, tmp_path / "cache")
    assert len(FeatureStore(tmp_path / "cache", encoder_fingerprint(other))) == len(photos)


def test_regions_without_a_grid_are_refused(photos, tmp_path):
    with pytest.raises(UserError, match="prepare them as files"):
        cache_features(RegionFeatures(), photos, tmp_path / "cache")


def test_fingerprint_is_of_weights_grid_and_preprocessing(encoder):
    before = encoder_fingerprint(encoder)
    assert before == encoder_fingerprint(encoder) and len(before) == 32
    encoder(torch.randn(2, 3, 16, 16))  # moves BatchNorm's running statistics
    after = encoder_fingerprint(encoder)
    assert after != before
    with torch.no_grad():
        encoder.features[0].weight[0, 0, 0, 0] += 1e-3
    assert encoder_fingerprint(encoder) != after
    torch.manual_seed(0)
    larger = ScenesCNN((8, 12), 32)
    assert encoder_fingerprint(larger) != before
    torch.manual_seed(0)
    assert encoder_fingerprint(ScenesCNN((8, 12), 16)) == before


def test_fingerprint_of_a_loaded_file_is_that_of_the_source(tmp_path):
    source = EfficientNetLite0(None, fuse=True, image_size=32)
    state = {key: value for key, value in source.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "w.pth")
    assert encoder_fingerprint(EfficientNetLite0(str(tmp_path / "w.pth"), image_size=32)) == encoder_fingerprint(source)


def test_a_folder_that_can_only_be_read_serves_what_it_holds(encoder, photos, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    photos["i"].write_bytes(photos["i"].read_bytes()[:200])
    cache_features(encoder, photos, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    assert cache_features(encoder, photos, folder) == ["i"]
    with pytest.raises(Unkept, match=r"features of 6 of 6 pictures cannot be kept .* data\.cache_features=false"):
        cache_features(encoder, {**photos, "new": photos["a"]}, tmp_path / "another")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
