"""Readers, vocabulary and document frequencies."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.coco import Coco2017
from whysaid.data.captions.corpus import Corpus, corpus_digest
from whysaid.data.captions.document_frequency import DocumentFrequencies, ngrams
from whysaid.data.captions.karpathy import Karpathy
from whysaid.data.files.annotation_file import require_images
from whysaid.data.vocabulary import END, START, UNK, Vocabulary
from whysaid.errors import UserError


def coco(root: Path, folder: str, count: int, first: int = 0, **changes: Any) -> None:
    images = [{"id": first + i, "file_name": f"{first + i}.jpg"} for i in range(count)]
    annotations = [{"image_id": first + i, "caption": f"A dog number {i}.\n"} for i in range(count) for _ in range(2)]
    content = {"images": images, "annotations": annotations} | changes
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / f"captions_{folder}.json").write_text(json.dumps(content))


def test_coco_draws_validation_from_training_and_tests_on_val2017(tmp_path: Path) -> None:
    coco(tmp_path, "train2017", 10)
    coco(tmp_path, "val2017", 3, first=100)
    source = Coco2017(str(tmp_path), train=6, val=2, seed=1)
    split = {name: [image.id for image in source.read(name)] for name in ("train", "val", "test")}
    assert [len(ids) for ids in split.values()] == [6, 2, 3]
    assert not set(split["train"]) & set(split["val"])
    assert split["test"] == [100, 101, 102]
    assert [image.id for image in Coco2017(str(tmp_path), 6, 2, 1).read("train")] == split["train"]
    assert [image.id for image in Coco2017(str(tmp_path), 6, 2, 2).read("train")] != split["train"]
    assert source.read("test")[0].captions == ("A dog number 0.", "A dog number 0.")


def test_two_splits_of_one_file_read_it_once(tmp_path: Path) -> None:
    coco(tmp_path, "train2017", 8)
    source = Coco2017(str(tmp_path), train=6, val=2)
    train = source.read("train")
    (tmp_path / "annotations" / "captions_train2017.json").unlink()
    assert len(source.read("val")) == 2 and source.read("train") == train


def test_coco_takes_the_rest_when_no_number_is_given(tmp_path: Path) -> None:
    coco(tmp_path, "train2017", 10)
    assert len(Coco2017(str(tmp_path), train=None, val=2).read("train")) == 8


def test_coco_with_fewer_images_than_asked_for(tmp_path: Path) -> None:
    coco(tmp_path, "train2017", 10)
    with pytest.raises(UserError, match="has 10 captioned images, fewer than the 115000"):
        Coco2017(str(tmp_path)).read("train")


def test_images_whose_captions_are_empty_are_left_out(tmp_path: Path) -> None:
    coco(tmp_path, "val2017", 2, annotations=[{"image_id": 1, "caption": "a cat"}, {"image_id": 0, "caption": " \n"}])
    assert [image.id for image in Coco2017(str(tmp_path)).read("test")] == [1]


def test_a_test_split_without_captions_is_whole_and_no_other_is(tmp_path: Path) -> None:
    coco(tmp_path, "test2017", 3, annotations=[])
    coco(tmp_path, "val2017", 3, annotations=[])
    published = tmp_path / "annotations" / "captions_test2017.json"
    plain = Coco2017(str(tmp_path), test="test2017")
    whole = [CaptionedImage(i, tmp_path / "test2017" / f"{i}.jpg", ()) for i in range(3)]
    assert plain.read("test") == whole
    published.rename(tmp_path / "annotations" / "image_info_test2017.json")
    assert plain.read("test") == whole and Coco2017(str(tmp_path), val=None).read("val") == []
    entries = [{"imgid": i, "filename": f"{i}.jpg", "split": "test", "sentences": []} for i in range(3)]
    (tmp_path / "d.json").write_text(json.dumps({"images": [*entries, {**entries[0], "split": "val"}]}))
    source = Karpathy(str(tmp_path), "d.json", "test2017")
    assert source.read("test") == whole and source.read("val") == []


def test_missing_and_broken_annotation_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"captions_val2017.json is missing: run `python -m src.prepare"):
        Coco2017(str(tmp_path)).read("test")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "captions_val2017.json").write_text('{"images": [')
    with pytest.raises(UserError, match="is not a JSON file"):
        Coco2017(str(tmp_path)).read("test")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_file_names_cannot_leave_the_root(tmp_path: Path, name: str) -> None:
    images = [{"id": 0, "file_name": name}]
    coco(tmp_path, "val2017", 1, images=images)
    with pytest.raises(UserError, match="leads out of"):
        Coco2017(str(tmp_path)).read("test")


def test_karpathy_splits(tmp_path: Path) -> None:
    entries = [
        {"imgid": i, "filename": f"{i}.jpg", "split": split, "sentences": [{"raw": "A cat ."}, {"raw": " "}]}
        for i, split in enumerate(["train", "val", "test", "train"])
    ]
    (tmp_path / "d.json").write_text(json.dumps({"images": entries}))
    source = Karpathy(str(tmp_path), "d.json", "photos")
    assert [image.id for image in source.read("train")] == [0, 3]
    assert source.read("test") == [CaptionedImage(2, tmp_path / "photos" / "2.jpg", ("A cat .",))]


@pytest.mark.parametrize("restval", [False, True])
def test_the_karpathy_split_of_coco(tmp_path: Path, restval: bool) -> None:
    """Photos of two folders, which its numbers are not of, and a rest of the validation split to train on."""
    entries = [
        {"imgid": n, "cocoid": 90 - n, "filepath": folder, "filename": f"{90 - n}.jpg", "split": split}
        | {"sentences": [{"raw": "A cat ."}]}
        for n, (split, folder) in enumerate(
            [("train", "train2014"), ("restval", "val2014"), ("val", "val2014"), ("test", "val2014")]
        )
    ]
    (tmp_path / "d.json").write_text(json.dumps({"images": entries}))
    source = Karpathy(str(tmp_path), "d.json", restval=restval)
    train = [(90, tmp_path / "train2014" / "90.jpg"), (89, tmp_path / "val2014" / "89.jpg")]
    assert [(image.id, image.path) for image in source.read("train")] == train[: 1 + restval]
    assert [image.id for image in source.read("val")] == [88] and [image.id for image in source.read("test")] == [87]
    (tmp_path / "d.json").write_text(json.dumps({"images": [{**entries[0], "filepath": "../elsewhere"}]}))
    with pytest.raises(UserError, match="leads out of"):
        source.read("train")


def test_two_pictures_with_one_id_are_refused(tmp_path: Path) -> None:
    """Each would get the captions of both."""
    coco(tmp_path, "val2017", 1, first=7, images=[{"id": 7, "file_name": name} for name in ("a.jpg", "b.jpg")])
    with pytest.raises(UserError, match=r"a\.jpg and .*b\.jpg are both image 7 of the test split"):
        require_images(Coco2017(str(tmp_path)).read("test"), "test")
    entries = [
        {"imgid": 3, "filename": name, "split": "val", "sentences": [{"raw": "A cat ."}]} for name in ("c.jpg", "d.jpg")
    ]
    (tmp_path / "d.json").write_text(json.dumps({"images": entries}))
    with pytest.raises(UserError, match=r"c\.jpg and .*d\.jpg are both image 3 of the val split"):
        require_images(Karpathy(str(tmp_path), "d.json", "photos").read("val"), "val")


def test_vocabulary_keeps_frequent_words_in_order() -> None:
    vocabulary = Vocabulary.build([["a", "dog", "a"], ["a", "cat", "dog"]], min_count=2)
    assert vocabulary.words[4:] == ["a", "dog"]
    assert vocabulary.encode(["a", "cat", "dog"]) == [START, 4, UNK, 5, END]
    assert vocabulary.encode(["a"] * 5, max_length=2) == [START, 4, 4]
    assert vocabulary.encode(["a"] * 2, max_length=2) == [START, 4, 4, END]
    assert vocabulary.decode([START, 4, 5, END, 4]) == ["a", "dog"]


@pytest.mark.parametrize("bad", [["a"], ["<pad>", "<start>", "<end>", "<unk>", "a", "a"]])
def test_vocabulary_refuses_other_lists(bad: list[str]) -> None:
    with pytest.raises(ValueError, match="begins with"):
        Vocabulary(bad)


def images(*captions: tuple[str, ...]) -> list[CaptionedImage]:
    return [CaptionedImage(i, Path(f"{i}.jpg"), c) for i, c in enumerate(captions)]


def test_document_frequencies_against_a_counter() -> None:
    encoded = [[[START, 4, 5, 4, END], [START, 4, END]], [[START, 5, 4, 6, 7, END]], [[START, 6, END]]]
    frequencies = DocumentFrequencies.build(encoded, vocab_size=8)
    expected: Counter[tuple[int, ...]] = Counter()
    for document in encoded:
        grams = {tuple(c[i : i + n]) for c in document for n in (1, 2, 3, 4) for i in range(1, len(c) - n + 1)}
        expected.update(grams)
    counted = {gram: int(frequencies(ngrams(gram, len(gram)))[0]) for gram in expected}
    assert counted == dict(expected)
    assert frequencies.documents == 3
    assert frequencies(ngrams([7, 7], 2))[0] == 0
    assert len(frequencies.keys) == len(expected)


def test_a_corpus_is_built_once_and_read_again(tmp_path: Path) -> None:
    train = images(("a dog", "a cat"), ("a dog runs",))
    built = Corpus(tmp_path, train, min_count=2, max_words=10)
    assert built.vocabulary.words[4:] == ["a", "dog"]
    (tmp_path / "vocabulary.json").write_text(json.dumps([*built.vocabulary.words, "zebra"]))
    again = Corpus(tmp_path, train, min_count=2, max_words=10)
    assert "zebra" in again.vocabulary
    assert again.document_frequencies.documents == 2


def test_a_corpus_needs_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    train = images(("a dog", "a cat"), ("a dog runs",))
    unkept, built = (Corpus(tmp_path / name, train, 2, 10) for name in ("file/cache", "cache"))
    assert unkept.vocabulary.words == built.vocabulary.words
    assert (unkept.document_frequencies.keys == built.document_frequencies.keys).all()


def test_captions_of_rare_words_alone_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no word occurs 5 times .* lower data.min_count"):
        Corpus(tmp_path, images(("a dog",)), min_count=5, max_words=10)


def test_a_digest_changes_with_captions_and_settings() -> None:
    first = corpus_digest(images(("a dog",)), 5)
    assert first == corpus_digest(images(("a dog",)), 5)
    assert len({first, corpus_digest(images(("a dog",)), 4), corpus_digest(images(("a cat",)), 5)}) == 3
