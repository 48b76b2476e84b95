import base64
from pathlib import Path

import numpy as np
import pytest

from whysaid.data.features.bottom_up import REGIONS, open_regions, store_regions
from whysaid.data.features.store import FeatureStore
from whysaid.errors import UserError

D = 8


def wanted(*ids: int) -> dict[tuple[int, Path], str]:
    """Keys of pictures with these ids."""
    return {(image_id, Path(f"{image_id}.jpg")): f"{image_id}-content" for image_id in ids}


def key(image_id: int) -> str:
    return f"{image_id}-content"


def regions(image_id: int, boxes: int) -> np.ndarray:
    return np.random.default_rng(image_id).standard_normal((boxes, D)).astype(np.float32)


def line(image_id: int, boxes: int) -> str:
    corners = base64.b64encode(np.zeros((boxes, 4), np.float32).tobytes()).decode()
    features = base64.b64encode(regions(image_id, boxes).tobytes()).decode()
    return f"{image_id}\t640\t480\t{boxes}\t{corners}\t{features}\n"


def tsv(path: Path, boxes: dict[int, int]) -> Path:
    path.write_text("".join(line(image_id, n) for image_id, n in boxes.items()))
    return path


def test_tsv_is_padded_masked_and_cut(tmp_path):
    boxes = {7: 36, 9: 10, 11: 50, 99: 36}
    store_regions(tsv(tmp_path / "a.tsv", boxes), tmp_path / "store", "mark", D, wanted(7, 9, 11))
    store = open_regions(tmp_path / "store", "mark", wanted(7, 9, 11))
    assert store.shape == (REGIONS, D) and key(99) not in store
    for image_id in (7, 9, 11):
        n = min(boxes[image_id], REGIONS)
        assert np.array_equal(store[key(image_id)][:n], regions(image_id, boxes[image_id])[:n].astype(np.float16))
        assert not store[key(image_id)][n:].any()
    mask = store.mask([key(9), key(7), key(11)])
    assert mask is not None and mask.sum(1).tolist() == [10, 36, 36] and mask[0, :10].all()


def test_folder_of_arrays_and_parts(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    np.save(folder / "COCO_val2014_000000000042.npy", regions(42, 36))
    np.savez(folder / "43.npz", feat=regions(43, 20), bbox=np.zeros((20, 4)))
    tsv(folder / "karpathy_train.tsv.0", {1: 36})
    tsv(folder / "karpathy_train.tsv.1", {1: 36, 2: 36})  # an image twice
    (folder / "notes.txt").write_text("not a feature")
    store_regions(folder, tmp_path / "store", "mark", D, wanted(1, 2, 42, 43))
    store = open_regions(tmp_path / "store", "mark", wanted(1, 2, 42, 43))
    assert sorted(store.keys) == [key(1), key(2), key(42), key(43)]
    assert np.array_equal(store[key(43)][:20], regions(43, 20).astype(np.float16))


def test_the_next_file_extends_the_store(tmp_path):
    first, second, store = tsv(tmp_path / "a.tsv", {1: 36}), tsv(tmp_path / "b.tsv", {2: 36}), tmp_path / "store"
    store_regions(first, store, "mark", D, wanted(1, 2))
    with pytest.raises(UserError, match=r"lacks the regions of 1 of 2 images, the first is image 2, .*regions_file"):
        open_regions(store, "mark", wanted(1, 2))
    store_regions(second, store, "mark", D, wanted(1, 2))
    assert open_regions(store, "mark", wanted(1, 2)).keys == [key(1), key(2)]


def test_a_cut_file_is_named_and_the_rest_continues(tmp_path):
    whole = line(1, 36) + line(2, 36)
    (tmp_path / "a.tsv").write_text(whole[:-200])
    with pytest.raises(UserError, match=r"line 2 of .*a\.tsv is no bottom-up feature"):
        store_regions(tmp_path / "a.tsv", tmp_path / "store", "mark", D, wanted(1, 2))
    with pytest.raises(UserError, match="no finished bottom-up regions"):
        open_regions(tmp_path / "store", "mark", wanted(1, 2))
    (tmp_path / "a.tsv").write_text(whole)
    store_regions(tmp_path / "a.tsv", tmp_path / "store", "mark", D, wanted(1, 2))
    FeatureStore(tmp_path / "store", "mark").verify()
    assert np.array_equal(
        open_regions(tmp_path / "store", "mark", wanted(1, 2))[key(2)], regions(2, 36).astype(np.float16)
    )


@pytest.mark.parametrize("text", ["hello\n", "1\t640\t480\n", line(1, 36).replace("\t36\t", "\t35\t"), line(1, 0)])
def test_damaged_lines(tmp_path, text):
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(UserError, match="line 1 of"):
        store_regions(tmp_path / "a.tsv", tmp_path / "store", "mark", D, wanted(1))


def test_damaged_arrays(tmp_path):
    (tmp_path / "1.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="is no array file"):
        store_regions(tmp_path / "1.npz", tmp_path / "store", "mark", D, wanted(1))
    np.save(tmp_path / "1.npy", np.zeros((36, D + 1)))
    with pytest.raises(UserError, match=r"expected one of \(n, 8\)"):
        store_regions(tmp_path / "1.npy", tmp_path / "store", "mark", D, wanted(1))
    np.save(tmp_path / "photo.npy", np.zeros((36, D)))
    with pytest.raises(UserError, match="ends in no image id"):
        store_regions(tmp_path / "photo.npy", tmp_path / "store", "mark", D, wanted(1))


def test_nothing_there(tmp_path):
    with pytest.raises(UserError, match="regions_file"):
        store_regions(tmp_path / "none.tsv", tmp_path / "store", "mark", D, wanted(1))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no TSV"):
        store_regions(tmp_path / "empty", tmp_path / "store", "mark", D, wanted(1))
    with pytest.raises(UserError, match=r"python -m src\.prepare"):
        open_regions(tmp_path / "nowhere", "mark", wanted(1))


def test_two_pictures_with_one_id_are_refused(tmp_path):
    both = {(1, Path("train/1.jpg")): "1-a", (1, Path("val/1.jpg")): "1-b"}
    with pytest.raises(UserError, match=r"train/1\.jpg and val/1\.jpg are both image 1"):
        store_regions(tsv(tmp_path / "a.tsv", {1: 36}), tmp_path / "store", "mark", D, both)


def test_regions_of_another_picture_with_the_same_id_are_not_taken(tmp_path):
    store_regions(tsv(tmp_path / "a.tsv", {1: 36}), tmp_path / "store", "mark", D, {(1, Path("a/1.jpg")): "1-a"})
    with pytest.raises(UserError, match=r"lacks the regions of 1 of 1 images, the first is image 1, b/1\.jpg"):
        open_regions(tmp_path / "store", "mark", {(1, Path("b/1.jpg")): "1-b"})
