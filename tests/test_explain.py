"""The door that explains."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.running import run_door


@pytest.fixture(scope="module")
def ckpt(finished: Path) -> str:
    return f"ckpt={finished}/checkpoints/best.ckpt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos of the same stem, one of them gray and wide, and a file that is no photo."""
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (40, 40), "red").save(photos / "a.png")
    Image.new("L", (90, 30), 128).save(photos / "a.webp")
    (photos / "b.jpg").write_text("no photo")
    return photos


def explained(ran_folder: Path) -> dict:  # type: ignore[type-arg]
    return json.loads((ran_folder / "explanations.json").read_text())


def test_a_folder_of_photos(ckpt: str, folder: Path, places: list[str]) -> None:
    ran = run_door("explain", ckpt, f"image={folder}", *places)
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == str(ran.folder)
    skipped = [line for line in ran.out.splitlines() if line.startswith("skipped")]
    assert len(skipped) == 1 and "b.jpg" in skipped[0]
    found = explained(ran.folder)
    path = Path(ckpt.removeprefix("ckpt="))
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [Path(e["image"]).name for e in found["explanations"]] == ["a.png", "a.webp"]
    for record in found["explanations"]:
        maps = np.load(ran.folder / record["maps"])
        words = len(record["words"])
        assert len(maps["attention"]) == len(maps["relevance"]) == len(record["sentinel"]) == words > 0
        np.testing.assert_allclose(maps["attention"].sum((1, 2)) + record["sentinel"], 1, rtol=1e-5)
        assert np.shape(record["word_relevance"]) == (words, words)
        assert np.triu(record["word_relevance"], 1).sum() == 0
        assert len(record["residual"]) == words
        assert [Image.open(ran.folder / figure).width > 100 for figure in record["figures"]] == [True, True]
    assert len({record["maps"] for record in found["explanations"]}) == 2


def test_attention_alone(ckpt: str, folder: Path, places: list[str]) -> None:
    ran = run_door("explain", ckpt, f"image={folder}/a.png", "~attribution", *places)
    found = explained(ran.folder)
    assert found["method"] == "attention"
    assert len(found["explanations"][0]["figures"]) == 1


def test_a_given_sentence(ckpt: str, folder: Path, places: list[str]) -> None:
    ran = run_door("explain", ckpt, f"image={folder}/a.png", "caption=A picture of a house.", *places)
    assert explained(ran.folder)["explanations"][0]["words"] == ["a", "picture", "of", "a", "house"]


@pytest.mark.parametrize(
    ("image", "caption", "message"),
    [
        ("a.png", "a zebra", "the word 'zebra' is not in the captioner's vocabulary"),
        ("a.png", "'...'", "the caption is empty"),
        ("nothing.png", "null", "there is no photo"),
        ("b.jpg", "null", "none of the photos can be read"),
    ],
)
def test_what_cannot_be_explained(
    ckpt: str, folder: Path, places: list[str], image: str, caption: str, message: str
) -> None:
    ran = run_door("explain", ckpt, f"image={folder}/{image}", f"caption={caption}", *places)
    assert ran.code != 0
    assert message in ran.error
