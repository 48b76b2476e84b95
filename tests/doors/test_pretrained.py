"""Models of transformers through the doors, from a folder and without a network."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whysaid
from tests.models.transformers.tiny import ANSWERS
from tests.running import run_door
from whysaid.errors import UserError

Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wide photo of coloured blocks."""
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    colours = np.random.default_rng(0).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(colours.repeat(15, 0).repeat(15, 1)).save(path)
    return path


def explained(folder: Path) -> dict:  # type: ignore[type-arg]
    content = json.loads((folder / "explanations.json").read_text(encoding="utf-8"))
    (record,) = content["explanations"]
    return {**content, **record}


def test_explaining_a_captioner(hub_folder: Folder, photo: Path, places: list[str]) -> None:
    ckpt = f"ckpt=hf:{hub_folder('git')}"
    method = ["attribution=input_x_gradient", "largest_map=90"]
    ran = run_door("explain", ckpt, f"image={photo}", *method, "caption=two dogs walking on a ball", *places)
    assert ran.code == 0
    found = explained(ran.folder)
    assert found["words"] == ["two", "dogs", "walking", "on", "a", "ball"]
    assert found["read"] == ["<start>", "two", "dogs", "walking", "on", "a"]
    pieces = found["pieces"]
    assert pieces["said"] == [["two"], ["dog", "##s"], ["walk", "##ing"], ["on"], ["a"], ["ball"]]
    assert pieces["read"] == ["<start>", "two", "dog", "##s", "walk", "##ing", "on", "a"]
    numbers = found["relevance"]["input_x_gradient"]
    of_words, of_pieces = np.array(numbers["words"]), np.array(numbers["pieces"])
    assert of_words.shape == (6, 6) and of_pieces.shape == (6, 8)
    np.testing.assert_allclose(of_words[:, 2], of_pieces[:, 2] + of_pieces[:, 3], rtol=1e-6)
    np.testing.assert_allclose(of_words.sum(1), of_pieces.sum(1), rtol=1e-5)
    assert not of_words[1, 2:].any() and of_words[2, 2], "dogs is said before it is read"
    maps = np.load(ran.folder / found["maps"])
    assert maps["input_x_gradient"].shape == (6, 60, 90)
    seen = np.abs(maps["input_x_gradient"]).sum((0, 1)) > 0
    assert not seen[:13].any() and seen[17:73].all() and not seen[77:].any(), "only the middle was seen"
    assert len(found["sha256"]) == 64 and found["checkpoint"] == str(hub_folder("git"))
    assert "walking" in (ran.folder / "report.html").read_text(encoding="utf-8")


def test_explaining_an_answer(hub_folder: Folder, photo: Path, places: list[str]) -> None:
    asked = ["question=is the dog playing?", "answer=2", "attribution=saliency", "largest_map=90"]
    ran = run_door("explain", f"ckpt=hf:{hub_folder('vilt')}", f"image={photo}", *asked, *places)
    assert ran.code == 0
    found = explained(ran.folder)
    assert found["words"][0] == "2" and set(found["words"]) <= set(ANSWERS)
    assert found["read"] == ["<start>", "is", "the", "dog", "playing", "?", "[SEP]"]
    assert {answer["answer"] for answer in found["answers"]} <= set(ANSWERS)
    assert np.load(ran.folder / found["maps"])["saliency"].shape[1:] == (60, 90)


def test_in_python(hub_folder: Folder, photo: Path) -> None:
    subject = whysaid.load(f"hf:{hub_folder('blip_vqa')}")
    explanation = subject.explain(photo, method="input_x_gradient", question="how many cats", answer="two")
    assert explanation.words == ["two"] and explanation.maps.shape == (1, 60, 90)
    assert explanation.read == ["[CLS]", "how", "many", "cats", "[SEP]", "<start>"]
    assert explanation.word_relevance is not None and np.abs(explanation.word_relevance).min() > 0
    with pytest.raises(UserError, match="add question="):
        subject.explain(photo, method="saliency")
    with pytest.raises(UserError, match="takes no caption="):
        subject.explain(photo, method="saliency", caption="a dog")
    assert subject.explain(photo, method="attention", question="how many").words


def test_a_prompt_is_read_and_explained(hub_folder: Folder, photo: Path) -> None:
    subject = whysaid.load(f"hf:{hub_folder('blip')}")
    explanation = subject.explain(photo, method="input_x_gradient", prompt="a dog with", caption="the red ball")
    assert explanation.read == ["<start>", "a", "dog", "with", "the", "red"]
    assert explanation.words == ["the", "red", "ball"] and explanation.word_relevance is not None
    unread = np.triu(np.ones((3, 6), dtype=bool), 4)
    assert not explanation.word_relevance[unread].any() and (explanation.word_relevance[~unread] != 0).all()
    prompted = subject.explain(photo, method="attention", prompt="a dog with")
    assert subject.explain(photo, method="attention").words != prompted.words


@pytest.mark.parametrize("family", ["llava", "idefics3", "llava_onevision", "qwen2_vl"])
def test_a_vision_language_model_is_told_something_or_asked(hub_folder: Folder, photo: Path, family: str) -> None:
    """A photo that is cropped, cut into tiles, padded to whole tiles, and kept as it is."""
    subject = whysaid.load(f"hf:{hub_folder(family)}")
    told = {"prompt": "describe the dog", "caption": "the cat sits"}
    for said in (told, {"question": "is it on the table ?", "answer": "on the dog"}):
        explanation = subject.explain(photo, method="input_x_gradient", **said)
        first, second = said.values()
        assert explanation.words == second.split() and explanation.maps.shape == (3, 60, 90)
        text = " ".join(explanation.read)
        for word in (*first.split(), *second.split()[:-1]):
            assert word in text
        assert explanation.read[0] == "<start>" and explanation.word_relevance is not None
        assert np.isfinite(explanation.maps).all() and (np.abs(explanation.maps).sum((1, 2)) > 0).all()
        uncut = np.abs(explanation.maps).sum(0) > 0
        assert uncut[:, 20:70].mean() > 0.9 and (family == "llava") == (not uncut[:, :10].any())
    assert subject.explain(photo, method="attention").words, "without a prompt it describes the image"
    with pytest.raises(UserError, match="give prompt= or question=, not both"):
        subject.explain(photo, method="saliency", prompt="a", question="b")
    with pytest.raises(UserError, match="pieces of words is more than this model reads: 200 pieces"):
        subject.explain(photo, method="saliency", caption="the dog " * 100)


def test_why_this_word_rather_than_that(hub_folder: Folder, photo: Path) -> None:
    subject = whysaid.load(f"hf:{hub_folder('git')}")
    with Image.open(photo) as image:
        sentence = subject.asking(caption="a dog walking on a ball")(image.convert("RGB"))
    rather = subject.rather(sentence, "a dog playing on a ball")
    assert rather.said == ["walking rather than playing"] and rather.context_lengths == [3]
    assert rather.targets.places == [2] and rather.targets.against is not None
    with pytest.raises(UserError, match="change a word"):
        subject.rather(sentence, "a dog")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["decoding.max_length=60"], "decoding.max_length=60 is more than this model reads: 40 pieces"),
        (["caption=" + "a " * 50], "the text of 50 pieces of words is more than this model reads: 40 pieces"),
        (["caption="], "the text to explain is empty"),
        (["question=how many"], "takes no question="),
        (["attribution=guided_backprop"], "Tower has no ReLU for DeconvNet or Guided Backprop to act on"),
    ],
)
def test_bad_input(hub_folder: Folder, photo: Path, places: list[str], overrides: list[str], says: str) -> None:
    ran = run_door("explain", f"ckpt=hf:{hub_folder('blip')}", f"image={photo}", *overrides, *places)
    assert ran.code == 1 and says in ran.err


def test_options_of_the_hub_are_for_its_models_alone(finished: Path, photo: Path, places: list[str]) -> None:
    ckpt = f"ckpt={finished}/checkpoints/best.ckpt"
    for door, option in (("explain", "revision=main"), ("evaluate", "prompt=a dog"), ("explain", "dtype=bfloat16")):
        image = [f"image={photo}"] if door == "explain" else []
        ran = run_door(door, ckpt, option, *image, *places)
        assert ran.code == 1 and "is of models of transformers, ckpt=hf:NAME_OR_FOLDER" in ran.err
