"""One's own photo with one's own mask is filled, and captioned again."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.running import Ran, run_door

MEAN = (
    "counterfactual.inpainters.gan=null",
    "+counterfactual.inpainters.mean={_target_: whysaid.data.inpainting.filling.fill_with_mean, _partial_: true}",
)


@pytest.fixture
def explain(finished: Path, places: list[str]) -> Callable[..., Ran]:
    ckpt = f"ckpt={finished}/checkpoints/best.ckpt"
    return lambda image, *more: run_door(
        "explain", *places, ckpt, f"image={image}", "~attribution", "decoding=greedy", *more
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two photos; beside it, masks of the left and of the upper half of each."""
    for name, size in (("cat", (60, 40)), ("dog", (40, 60))):
        (tmp_path / "photos").mkdir(exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
        (tmp_path / "masks" / name).mkdir(parents=True)
        left, upper = np.zeros((2, size[1], size[0]), np.uint8)
        left[:, : size[0] // 2], upper[: size[1] // 2] = 255, 255
        Image.fromarray(left).save(tmp_path / "masks" / name / "left.png")
        Image.fromarray(upper).save(tmp_path / "masks" / name / "upper.png")
    return tmp_path / "photos"


def records(ran: Ran) -> list[dict]:  # type: ignore[type-arg]
    content: list[dict] = json.loads((ran.folder / "explanations.json").read_text(encoding="utf-8"))["explanations"]  # type: ignore[type-arg]
    return content


def test_what_is_white_is_filled_and_all_else_is_as_it_was(explain: Callable[..., Ran], photos: Path) -> None:
    ran = explain(photos / "cat.png", f"mask={photos.parent / 'masks' / 'cat' / 'left.png'}", *MEAN)
    (record,) = records(ran)
    (thing,) = record["objects"]
    assert thing["object"] == "left" and thing["area"] == 0.5 and thing["skipped"] is None
    assert set(thing["without"]) == {"mean"} and thing["caption"] == record["caption"]
    filled, photo = (np.asarray(Image.open(path)) for path in (ran.folder / thing["picture"], photos / "cat.png"))
    np.testing.assert_array_equal(filled[:, 30:], photo[:, 30:])
    assert np.ptp(filled[:, :30], (0, 1)).max() == 0 and thing["picture"] == "cat_without_left.png"
    assert "figures/cat_importance.png" in record["figures"] and (ran.folder / "importance.csv").exists()


def test_a_folder_of_photos_with_several_masks_each(explain: Callable[..., Ran], photos: Path) -> None:
    ran = explain(photos, f"mask={photos.parent / 'masks'}", *MEAN)
    assert [[thing["object"] for thing in record["objects"]] for record in records(ran)] == [["left", "upper"]] * 2
    assert {path.name for path in ran.folder.glob("*_without_*.png")} == {
        f"{photo}_without_{mask}.png" for photo in ("cat", "dog") for mask in ("left", "upper")
    }


@pytest.mark.parametrize(
    ("mask", "more", "message"),
    [
        ("none.png", MEAN, "there is no mask none.png"),
        ("{photos}/dog.png", MEAN, "draw it over the whole photo"),
        ("{photos}/../masks/cat", (*MEAN, "importance=true"), "give one of them"),
        ("{photos}/../masks/cat", MEAN[:1], "there is no inpainter"),
    ],
)
def test_what_cannot_be_filled(
    explain: Callable[..., Ran], photos: Path, mask: str, more: tuple[str, ...], message: str
) -> None:
    assert message in explain(photos / "cat.png", f"mask={mask.format(photos=photos)}", *more).error


def test_a_mask_needs_an_inpainter(explain: Callable[..., Ran], photos: Path) -> None:
    ran = explain(photos / "cat.png", f"mask={photos.parent / 'masks' / 'cat'}")
    assert "give its checkpoint as inpainter=PATH" in ran.error
