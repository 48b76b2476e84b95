"""The door that explains."""

import hashlib
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.running import SIZE, run_door
from whysaid.assemble.caption_subject import CaptionSubject
from whysaid.attribution.sentence import Sentence, to_photo
from whysaid.data.images import View
from whysaid.errors import UserError
from whysaid.report.album import Album, read_maps, resolution, stored


@pytest.fixture(scope="module")
def ckpt(finished: Path) -> str:
    return f"ckpt={finished}/checkpoints/best.ckpt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos of the same stem, one of them gray and wide, a file that is no photo, and one that is hidden."""
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (40, 40), "red").save(photos / "a.png")
    Image.new("L", (90, 30), 128).save(photos / "a.webp")
    (photos / "b.jpg").write_text("no photo")
    (photos / "._a.png").write_text("what a Mac leaves beside a photo")
    return photos


def explained(ran_folder: Path) -> dict:  # type: ignore[type-arg]
    return json.loads((ran_folder / "explanations.json").read_text())


def test_a_folder_of_photos(ckpt: str, folder: Path, places: list[str]) -> None:
    ran = run_door("explain", ckpt, f"image={folder}", "decoding=greedy", "decoding.max_length=5", *places)
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == str(ran.folder)
    skipped = [line for line in ran.out.splitlines() if line.startswith("skipped")]
    assert len(skipped) == 1 and "b.jpg" in skipped[0]
    found = explained(ran.folder)
    path = Path(ckpt.removeprefix("ckpt="))
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["methods"] == ["attention", "lrp"] and len(found["skipped"]) == 1
    assert [Path(e["image"]).name for e in found["explanations"]] == ["a.png", "a.webp"]
    for record in found["explanations"]:
        maps = np.load(ran.folder / record["maps"])
        words, (width, height) = len(record["words"]), record["size"]
        assert maps["attention"].shape == maps["lrp"].shape == (words, height, width)
        assert record["scale"] == 1 and record["read"] == ["<start>", *record["words"][:-1]]
        assert record["caption"] == " ".join(record["words"])
        assert len(record["sentinel"]) == words > 0
        relevance = record["relevance"]["lrp"]
        assert np.shape(relevance["words"]) == (words, words) and len(relevance["residual"]) == words
        assert np.triu(relevance["words"], 1).sum() == 0 < np.abs(relevance["words"]).sum()
        assert [figure.rpartition("_")[2] for figure in record["figures"]] == ["attention.png", "lrp.png", "words.png"]
        assert all(Image.open(ran.folder / figure).width > 100 for figure in record["figures"])
    assert len({record["maps"] for record in found["explanations"]}) == 2
    report = (ran.folder / "report.html").read_text()
    assert report.count("<article>") == 2 and "b.jpg cannot be read" in report and str(path) in report


def test_a_contrast_of_an_old_checkpoint(finished: Path, folder: Path, places: list[str], tmp_path: Path) -> None:
    """The mean is computed from the pictures of its run; where they are gone, the error names a contrast without."""
    content = torch.load(finished / "checkpoints" / "best.ckpt", weights_only=True)
    del content["mean_regions"]
    old, moved = tmp_path / "old.ckpt", tmp_path / "moved.ckpt"
    torch.save(content, old)
    content["config"]["data"]["source"].update(root=str(tmp_path / "gone.json"), _target_=COCO, train=None, val=1)
    for setting in ("size", "counts"):
        del content["config"]["data"]["source"][setting]
    torch.save(content, moved)
    chosen = (f"image={folder / 'a.png'}", "decoding/contrast=vcd", "~attribution", *places)
    assert len(explained(run_door("explain", f"ckpt={old}", *chosen).folder)["explanations"]) == 1
    assert "decoding/contrast/absent=grey" in run_door("explain", f"ckpt={moved}", *chosen).error


COCO = "whysaid.data.captions.coco.Coco2017"


def test_a_photo_of_which_nothing_is_said_is_left_out(
    ckpt: str, folder: Path, places: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = CaptionSubject._look

    def silent(subject: CaptionSubject, caption: list[str] | None, photo: Image.Image) -> Sentence:
        if photo.width == 40:
            raise UserError("nothing is said")
        return look(subject, caption, photo)

    monkeypatch.setattr(CaptionSubject, "_look", silent)
    ran = run_door("explain", ckpt, f"image={folder}", "~attribution", "caption=a house", *places)
    assert ran.code == 0
    found = explained(ran.folder)
    assert [Path(e["image"]).name for e in found["explanations"]] == ["a.webp"]
    assert f"{folder}/a.png: nothing is said" in found["skipped"]


def test_maps_lie_where_the_encoder_looked(ckpt: str, folder: Path, places: list[str]) -> None:
    """Those of a wide photo are those of its square, stretched."""
    photo = Image.effect_noise((90, 30), 60).convert("RGB")
    photo.save(folder / "wide.png")
    photo.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(folder / "square.png")
    found = {}
    for name in ("wide", "square"):
        ran = run_door("explain", ckpt, f"image={folder}/{name}.png", "caption=a picture of a house", *places)
        found[name] = read_maps(ran.folder / f"{name}.npz")["lrp"]
    assert found["wide"].shape == (5, 30, 90) and found["square"].shape == (5, SIZE, SIZE)
    np.testing.assert_allclose(
        found["wide"], to_photo(found["square"], (30, 90)), atol=np.abs(found["square"]).max() / 500
    )


def test_a_photo_from_a_phone(ckpt: str, folder: Path, places: list[str]) -> None:
    """Maps and figures stand upright, and those of a very large photo are stored smaller."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    Image.new("RGB", (120, 60), "red").save(folder / "phone.jpg", exif=exif)
    ran = run_door(
        "explain", ckpt, f"image={folder}/phone.jpg", "largest_map=30", "same_range=true", "caption=a house", *places
    )
    (record,) = explained(ran.folder)["explanations"]
    assert record["size"] == [60, 120] and record["scale"] == 0.25
    assert np.load(ran.folder / record["maps"])["lrp"].shape[1:] == (30, 15)
    assert 'value="same" checked' in (ran.folder / "report.html").read_text()


def test_maps_are_as_fine_as_the_encoder_sees_the_photo(ckpt: str, folder: Path, places: list[str]) -> None:
    Image.new("RGB", (400, 200), "red").save(folder / "large.png")
    given = (ckpt, f"image={folder}/large.png", "caption=a house", *places)
    shapes = {}
    for setting in ("null", "100", "1000"):
        (record,) = explained(run_door("explain", *given, f"largest_map={setting}").folder)["explanations"]
        folders = sorted(Path(places[1].partition("=")[2]).glob("explain/*"))
        maps = np.load(folders[-1] / record["maps"])["lrp"]
        shapes[setting] = maps.shape[1:], record["scale"]
        assert maps.dtype == np.float16
    assert shapes == {"null": ((48, 96), 0.24), "100": ((50, 100), 0.25), "1000": ((200, 400), 1.0)}
    for wrong in ("0", "-3", "many", "2.5"):
        assert f"largest_map={wrong}: a number of pixels" in run_door("explain", *given, f"largest_map={wrong}").error


def test_each_caption_is_printed_when_it_is_ready(
    ckpt: str, folder: Path, places: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a signal in the midst of it leaves a report of the photos before."""
    add, printed = Album.add, []

    def interrupted(self: Album, path: Path, *given: Any) -> None:
        printed.append(sys.stdout.getvalue())  # type: ignore[attr-defined]
        if len(printed) == 2:
            signal.raise_signal(signal.SIGINT)
        add(self, path, *given)

    monkeypatch.setattr(Album, "add", interrupted)
    ran = run_door("explain", ckpt, f"image={folder}", "~attribution", "caption=a house", *places)
    assert printed[0] == "" and printed[1].startswith(f"{folder}/a.png: a house\n") and ran.out == printed[1]
    (report,) = Path(places[1].partition("=")[2]).rglob("report.html")
    assert ran.code == 130 and ran.err.splitlines()[-1] == f"SIGINT: ended early; {report} has 1 of 3 photos"
    assert len(explained(report.parent)["explanations"]) == 1


def test_a_method_of_ones_own_choice(ckpt: str, folder: Path, places: list[str]) -> None:
    ran = run_door("explain", ckpt, f"image={folder}/a.png", "attribution=grad_cam", "caption=a house", *places)
    (record,) = explained(ran.folder)["explanations"]
    assert list(record["relevance"]) == list(read_maps(ran.folder / record["maps"])) == ["attention", "grad_cam"]
    assert (np.load(ran.folder / record["maps"])["grad_cam"] >= 0).all()


def test_some_methods(ckpt: str, folder: Path, places: list[str]) -> None:
    two = ("attribution=[grad_cam, saliency]", "caption=a house")
    ran = run_door("explain", ckpt, f"image={folder}/a.png", *two, *places)
    assert explained(ran.folder)["methods"] == ["attention", "grad_cam", "saliency"]
    unknown = run_door("explain", ckpt, f"image={folder}/a.png", "attribution=[grad_cam,grad_can]", *places)
    assert unknown.code != 0 and "grad_can" in unknown.err and "Traceback" not in unknown.err


def test_all_methods(ckpt: str, folder: Path, places: list[str]) -> None:
    slow = ("attribution.integrated_gradients=null", "attribution.smooth_grad=null")
    ran = run_door("explain", ckpt, f"image={folder}/a.png", "attribution=all", "caption=a house", *slow, *places)
    found = explained(ran.folder)
    assert len(re.findall(r"\d+ methods, 2 words: 0.1 MB of maps of the first photo", ran.err)) == 1
    assert found["methods"][0] == "attention" and {"lrp", "saliency", "occlusion"} < set(found["methods"])
    for_transformers = "attention_rollout, gradient_attention, attention_grad_cam"
    assert ran.err.count(f"left out, since they cannot explain this model: {for_transformers} (GridTD is no ") == 1
    assert not set(for_transformers.split(", ")) & set(found["methods"])
    (record,) = found["explanations"]
    kinds = {figure.removeprefix("figures/a_").removesuffix(".png") for figure in record["figures"]}
    assert kinds == {*found["methods"], "words", "methods"}


def test_attention_alone(ckpt: str, folder: Path, places: list[str]) -> None:
    ran = run_door("explain", ckpt, f"image={folder}/a.png", "~attribution", *places)
    found = explained(ran.folder)
    assert found["methods"] == ["attention"]
    (record,) = found["explanations"]
    assert record["figures"] == ["figures/a_attention.png"] and record["relevance"] == {"attention": {}}


def test_weights_that_are_not_numbers(ckpt: str, folder: Path, places: list[str], tmp_path: Path) -> None:
    broken = torch.load(ckpt.removeprefix("ckpt="), weights_only=True)
    broken["state_dict"]["captioner.embedding.weight"].fill_(torch.nan)
    torch.save(broken, tmp_path / "broken.ckpt")
    ran = run_door("explain", f"ckpt={tmp_path}/broken.ckpt", f"image={folder}", "caption=a house", *places)
    assert "no numbers" in ran.error


def test_a_given_sentence(ckpt: str, folder: Path, places: list[str]) -> None:
    ran = run_door("explain", ckpt, f"image={folder}/a.png", "caption=A picture of a house.", *places)
    assert explained(ran.folder)["explanations"][0]["words"] == ["a", "picture", "of", "a", "house"]


@pytest.mark.parametrize(
    ("image", "caption", "message"),
    [
        ("a.png", "a zebra", "the word 'zebra' is not in the captioner's vocabulary"),
        ("a.png", "'...'", "the caption is empty"),
        ("nothing.png", "null", "there is no photo"),
        ("b.jpg", "null", "none of the photos can be explained"),
    ],
)
def test_what_cannot_be_explained(
    ckpt: str, folder: Path, places: list[str], image: str, caption: str, message: str
) -> None:
    ran = run_door("explain", ckpt, f"image={folder}/{image}", f"caption={caption}", *places)
    assert ran.code != 0
    assert message in ran.error


@pytest.mark.parametrize("given", ["question=what is this?", "answer=yes"])
def test_a_captioner_takes_no_question(ckpt: str, folder: Path, places: list[str], given: str) -> None:
    ran = run_door("explain", ckpt, f"image={folder}/a.png", given, *places)
    assert f"is a captioner's, which takes no {given.partition('=')[0]}=" in ran.error


@pytest.mark.parametrize("largest", [1e-30, 1e-5, 1.0, 7e4, 1e30])
def test_stored_maps_of_any_size_are_read_again(largest: float, tmp_path: Path) -> None:
    maps = np.random.default_rng(0).uniform(-1, 1, (3, 9, 9)).astype(np.float32) * np.float32(largest)
    maps[2] = 0  # a word of which nothing is known
    arrays = stored({"lrp": maps})
    assert arrays["lrp"].dtype == np.float16
    np.savez_compressed(tmp_path / "photo.npz", **arrays)
    (read,) = read_maps(tmp_path / "photo.npz").values()
    assert read.dtype == np.float32 and np.abs(read - maps).max() <= np.abs(maps).max() / 2000


def test_what_an_encoder_sees_of_a_photo() -> None:
    assert resolution((48, 64), [View()]) == (48, 64)
    cropped = View(box=(0.25, 0, 0.75, 1))  # the middle half of a wide photo
    assert resolution((48, 48), [cropped]) == (48, 96)
    padded = View(box=(0, 0, 1, 1), part=(0, 0.25, 1, 0.75))
    assert resolution((48, 48), [padded, cropped]) == (48, 96) and resolution((48, 48), [padded]) == (24, 48)
