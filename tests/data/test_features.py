import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from whysaid.data.features.index import StaleCache
from whysaid.data.features.store import FeatureStore
from whysaid.data.features.writer import FeatureWriter
from whysaid.errors import UserError

R, D = 6, 4


def key(image_id: int) -> str:
    return f"picture {image_id}"


def features(image_id: int, regions: int = R) -> np.ndarray:
    return np.random.default_rng(image_id).standard_normal((regions, D)).astype(np.float16)


def build(folder: Path, ids, fingerprint: str = "a", shape: tuple[int, int] = (R, D), shard_size: int = 4) -> Path:
    with FeatureWriter(folder, fingerprint, shape, shard_size) as writer:
        for image_id in ids:
            if key(image_id) not in writer:
                writer.add(key(image_id), features(image_id)[:, : shape[1]])
    return folder


def interrupt(folder: Path, ids, shard_size: int = 4) -> None:
    """A build that fails after the last of `ids`."""
    with pytest.raises(KeyboardInterrupt), FeatureWriter(folder, "a", (R, D), shard_size) as writer:
        for image_id in ids:
            writer.add(key(image_id), features(image_id))
        raise KeyboardInterrupt


def test_store_returns_what_was_written(tmp_path):
    ids = [30, 10, 20, 50, 40, 70]
    store = FeatureStore(build(tmp_path, ids), "a")
    assert store.keys == [key(i) for i in ids] and len(store) == 6 and key(10) in store and key(11) not in store
    assert store.shape == (R, D) and store.fingerprint == "a"
    for image_id in ids:
        assert store[key(image_id)].dtype == np.float16
        assert np.array_equal(store[key(image_id)], features(image_id))
    batch = store.batch([key(70), key(30), key(70)])
    assert batch.shape == (3, R, D) and batch.dtype == np.float16
    assert np.array_equal(batch, np.stack([features(70), features(30), features(70)]))
    assert store.mask([key(i) for i in ids]) is None
    store.verify()
    with pytest.raises(KeyError):
        store[key(11)]


def test_float32_features_are_rounded_to_float16(tmp_path):
    values = np.full((R, D), 1 / 3, np.float32)
    with FeatureWriter(tmp_path, "a", (R, D)) as writer:
        writer.add(key(1), values)
    assert np.array_equal(FeatureStore(tmp_path)[key(1)], values.astype(np.float16))


def test_fewer_regions_are_padded_and_masked(tmp_path):
    with FeatureWriter(tmp_path, "a", (R, D), shard_size=2) as writer:
        for image_id, regions in ((1, 2), (2, R), (3, 5)):
            writer.add(key(image_id), features(image_id, regions))
    store = FeatureStore(tmp_path)
    assert np.array_equal(store[key(1)][:2], features(1, 2)) and not store[key(1)][2:].any()
    mask = store.mask([key(3), key(1)])
    assert mask.dtype == np.bool_
    assert mask.tolist() == [[True] * 5 + [False], [True] * 2 + [False] * 4]


def test_stored_features_cannot_be_written_to(tmp_path):
    store = FeatureStore(build(tmp_path, [1]))
    with pytest.raises(ValueError, match="read-only"):
        store[key(1)][0, 0] = 0


def test_a_killed_build_continues_with_the_finished_shards(tmp_path):
    interrupt(tmp_path, range(10))
    with pytest.raises(StaleCache, match="unfinished"):
        FeatureStore(tmp_path)
    writer = FeatureWriter(tmp_path, "a", (R, D), shard_size=4)
    assert [key(i) in writer for i in range(10)] == [True] * 8 + [False] * 2
    store = FeatureStore(build(tmp_path, range(11)))
    assert sorted(store.keys) == sorted(key(i) for i in range(11))
    assert all(np.array_equal(store[key(i)], features(i)) for i in range(11))
    store.verify()
    assert not list(tmp_path.glob("*.partial"))


def test_a_build_killed_before_any_shard_leaves_a_stale_cache(tmp_path):
    interrupt(tmp_path, range(2))
    with pytest.raises(StaleCache, match="no cached features"):
        FeatureStore(tmp_path)


def test_a_shard_killed_before_it_entered_the_index_is_written_again(tmp_path):
    interrupt(tmp_path, range(4))
    (tmp_path / "00001.f16").write_bytes(b"renamed, but not in the index")
    store = FeatureStore(build(tmp_path, range(8)))
    store.verify()
    assert np.array_equal(store[key(7)], features(7))


def test_a_finished_store_is_extended_and_not_rewritten(tmp_path):
    build(tmp_path, range(4))
    before = (tmp_path / "00000.f16").stat().st_mtime_ns
    store = FeatureStore(build(tmp_path, range(6)))
    assert store.keys == [key(i) for i in range(6)] and (tmp_path / "00000.f16").stat().st_mtime_ns == before


@pytest.mark.parametrize(("fingerprint", "shape"), [("b", (R, D)), ("a", (R, D - 1))])
def test_features_of_another_encoder_are_built_anew(tmp_path, fingerprint, shape):
    build(tmp_path, range(10))
    store = FeatureStore(build(tmp_path, [1], fingerprint, shape))
    assert store.keys == [key(1)] and store.shape == shape
    assert [path.name for path in tmp_path.glob("*.f16")] == ["00000.f16"]


def test_stale_caches_are_recognised(tmp_path):
    with pytest.raises(StaleCache, match="no cached features"):
        FeatureStore(tmp_path / "nowhere")
    build(tmp_path, [1], "a")
    with pytest.raises(StaleCache, match="another encoder"):
        FeatureStore(tmp_path, "b")
    assert issubclass(StaleCache, UserError)


def test_a_flipped_bit_is_found_and_the_shard_named(tmp_path):
    build(tmp_path, range(10))
    path = tmp_path / "00001.f16"
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"00001\.f16 is damaged"):
        FeatureStore(tmp_path).verify()


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-2])])
def test_a_missing_or_short_shard_is_named_and_built_again(tmp_path, damage):
    build(tmp_path, range(10))
    damage(tmp_path / "00001.f16")
    with pytest.raises(UserError, match=r"00001\.f16 is missing or has the wrong size") as caught:
        FeatureStore(tmp_path)
    assert not isinstance(caught.value, StaleCache)
    store = FeatureStore(build(tmp_path, range(10)))
    store.verify()
    assert all(np.array_equal(store[key(i)], features(i)) for i in range(10))


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"version": 2, "fingerprint": "a"})])
def test_a_damaged_index_is_named(tmp_path, content):
    build(tmp_path, [1])
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(UserError, match=r"index\.json is damaged"):
        FeatureStore(tmp_path)


def test_features_known_by_their_numbers_are_built_anew(tmp_path):
    build(tmp_path, range(6))
    index = json.loads((tmp_path / "index.json").read_text())
    del index["version"]  # as it was before pictures were known by their content
    for shard in index["shards"]:
        shard["ids"] = shard.pop("keys")
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(StaleCache, match="kept in another way"):
        FeatureStore(tmp_path)
    assert FeatureStore(build(tmp_path, [9])).keys == [key(9)]


@pytest.mark.parametrize("bad", [np.zeros((R + 1, D)), np.zeros((R, D + 1)), np.zeros(D)])
def test_features_of_another_shape_are_refused(tmp_path, bad):
    with pytest.raises(UserError, match="expected at most"), FeatureWriter(tmp_path, "a", (R, D)) as writer:
        writer.add(key(1), bad)


@pytest.mark.parametrize("value", [1e5, np.nan, np.inf])
def test_features_beyond_float16_are_refused(tmp_path, value):
    with pytest.raises(UserError, match="picture 1 do not fit"), FeatureWriter(tmp_path, "a", (R, D)) as writer:
        writer.add(key(1), np.full((R, D), value, np.float32))


def test_pickling_carries_no_features(tmp_path):
    store = FeatureStore(build(tmp_path, range(100)))
    fresh = len(pickle.dumps(store))
    store.batch(store.keys)
    data = pickle.dumps(store)
    assert len(data) == fresh
    assert np.array_equal(pickle.loads(data)[key(3)], features(3))
