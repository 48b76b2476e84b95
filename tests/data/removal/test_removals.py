"""Which objects leave a picture, what takes their place, and what a batch gets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from tests.running import SIZE
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.features.featured import ModelInputs
from whysaid.data.images import Preprocessing, load_image
from whysaid.data.inpainting.filling import fill_biharmonic, fill_with_mean, fill_with_rim
from whysaid.data.instances import Instance
from whysaid.data.object_words import ObjectWords
from whysaid.data.removal.changes import DrawnChanges, MadeChanges
from whysaid.data.removal.fills import Inpainted, Mixed
from whysaid.data.removal.known import FOUND, find_objects, known_objects
from whysaid.data.removal.made import make_pictures
from whysaid.data.removal.objects import Removal, Sizes, empty_place, removals
from whysaid.data.removal.removals import Removals, World
from whysaid.data.sampler import Key
from whysaid.data.scenes.objects import OBJECT_WORDS
from whysaid.data.scenes.removed import Truth, without
from whysaid.data.scenes.source import Scenes
from whysaid.errors import UserError

SIZES = Sizes(0.01, 0.5, 0)
WORDS = ObjectWords(OBJECT_WORDS)


def square(number: int, category: str, left: int, top: int, side: int, **settings: Any) -> Instance:
    """Of a picture of 16 × 16 pixels."""
    corners = [left, top, left + side, top, left + side, top + side, left, top + side]
    outline = {"segmentation": [corners], **settings}
    return Instance(number, category, (left, top, side, side), (16, 16), **outline)


def test_all_objects_of_a_category_leave_together_or_none() -> None:
    objects = [
        square(1, "cat", 0, 0, 4),
        square(2, "cat", 8, 8, 4),
        square(3, "ball", 4, 0, 4),
        square(4, "cup", 0, 8, 1),
        square(5, "boat", 0, 12, 3, segmentation=None),
        square(6, "fish", 4, 12, 3, crowd=True),
        square(7, "house", 0, 0, 15),
        square(8, "tree", 12, 12, 3),
    ]
    possible = removals(objects, {"cat", "ball", "cup", "boat", "fish", "house", "kite"}, 16, SIZES)
    assert [removal.category for removal in possible] == ["ball", "cat"]
    ball, cat = possible
    assert [thing.id for thing in cat.objects] == [1, 2] and cat.hole.sum() == 32 and ball.hole.sum() == 16
    assert cat.hole[:4, :4].all() and cat.hole[8:12, 8:12].all()
    (wider,) = removals(objects[2:3], {"ball"}, 16, Sizes(0.01, 0.5, 16))
    assert wider.hole.sum() > 16 and wider.hole[:4, 4:8].all()
    everything = Sizes(0.0, 1.0, 0.0)  # a mask that covers everything leaves no rim to fill from
    assert removals([square(9, "sky", 0, 0, 16)], {"sky"}, 16, everything) == []
    assert removals([square(9, "sky", 0, 0, 15)], {"sky"}, 16, everything) != []


def test_an_empty_place_has_the_shape_of_an_object_and_touches_none() -> None:
    objects = [square(1, "cat", 0, 0, 6), square(2, "ball", 10, 10, 4)]
    like = removals(objects, {"cat", "ball"}, 16, SIZES)
    for seed in range(20):
        place = empty_place(objects, like, SIZES, np.random.default_rng(seed))
        assert place is not None and place.category is None and place.objects == ()
        assert 4 <= place.hole.sum() <= 36 and not any((place.hole & removal.hole).any() for removal in like)
    full = [square(1, "cat", 0, 0, 16)]
    assert (
        empty_place(full, removals(full, {"cat"}, 16, Sizes(0, 1, 0)) or like, SIZES, np.random.default_rng(0)) is None
    )


def test_fills_change_the_hole_alone() -> None:
    torch.manual_seed(0)
    image, removal = torch.rand(3, 16, 16), removals([square(1, "cat", 4, 4, 6)], {"cat"}, 16, SIZES)[0]
    hole = torch.from_numpy(removal.hole)
    rng = np.random.default_rng(0)
    for inpaint in (fill_with_rim, fill_with_mean, fill_biharmonic):
        filled = Inpainted(inpaint)(image, 1, removal, rng)
        assert torch.equal(filled[:, ~hole], image[:, ~hole]) and not torch.equal(filled[:, hole], image[:, hole])
    rim = torch.zeros(16, 16, dtype=torch.bool)
    rim[2:12, 2:12] = True
    expected = image[:, rim & ~hole].mean(1)
    torch.testing.assert_close(Inpainted(fill_with_rim)(image, 1, removal, rng)[:, 5, 5], expected)


def constant(value: float) -> Inpainted:
    return Inpainted(lambda images, masks: torch.full_like(images, value))


class Behind(Inpainted):
    """Knows what is behind objects."""

    everywhere = False


def test_mixed_fills_take_turns_by_weight() -> None:
    mixed = Mixed({"black": constant(0.0), "white": constant(1.0), "none": None}, {"white": 3.0})
    image, removal = torch.full((3, 16, 16), 0.5), removals([square(1, "cat", 4, 4, 6)], {"cat"}, 16, SIZES)[0]
    rng = np.random.default_rng(0)
    white = np.mean([float(mixed(image, 1, removal, rng)[0, 5, 5]) for _ in range(400)])
    assert abs(white - 0.75) < 0.08
    truth = Mixed({"behind": Behind(lambda images, masks: images * 0), "white": constant(1.0)})
    elsewhere = Removal(None, removal.hole)
    assert truth.everywhere and all(truth(image, 1, elsewhere, rng)[0, 5, 5] == 1 for _ in range(20))
    assert not Mixed({"behind": Behind(lambda images, masks: images)}).everywhere


@pytest.fixture(scope="module")
def source(data_dir: Path) -> Scenes:
    return Scenes(str(data_dir / "scenes"), size=SIZE, counts={"train": 48, "val": 16, "test": 16})


@pytest.fixture(scope="module")
def world(source: Scenes) -> World:
    images = source.read("train")[:12]
    return World(
        images, known_objects(images, Path("nowhere"), "scenes"), WORDS, Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3)
    )


def test_the_truth_is_the_scene_without_the_object(source: Scenes, world: World) -> None:
    made = Removals(Truth(source), negatives=0.5, dilate=6.0)
    image = world.images[0]
    possible = made.of(image, world.instances.objects[image.id], WORDS, SIZE)
    assert possible and None not in [removal.category for removal in possible]  # behind nothing there is nothing
    for removal in possible:
        picture = made.picture(load_image(image.path), image.id, removal, np.random.default_rng(0))
        np.testing.assert_array_equal(np.asarray(picture), without(source, image.id, removal.objects[0].id))


def test_pictures_are_made_once_and_read_again(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = Removals(constant(0.0), most=2)
    made = make_pictures(some, world, tmp_path / "made")
    pictures = [picture for own in made.values() for picture in own]
    assert len({picture.id for picture in pictures}) == len(pictures) and all(one.path.exists() for one in pictures)
    by_id = {image.id: image for image in world.images}
    for image_id, own in made.items():
        named = {name for caption in by_id[image_id].captions for name in WORDS.mentioned(caption)}
        categories = [picture.category for picture in own]
        assert {category for category in categories if category} <= named and categories.count(None) <= 1
        assert 1 <= sum(category is not None for category in categories) <= 2
        for picture in own:
            black = (np.asarray(Image.open(picture.path)) == 0).all(2)
            before = np.asarray(load_image(by_id[image_id].path))
            assert black.any()
            np.testing.assert_array_equal(np.asarray(Image.open(picture.path))[~black], before[~black])
    monkeypatch.setattr(Removals, "picture", None)
    assert make_pictures(some, world, tmp_path / "made") == made
    mark = some.mark(world.images, world.instances.objects, SIZE)
    assert mark == Removals(constant(0.5), most=2).mark(world.images, world.instances.objects, SIZE)
    assert mark != Removals(constant(0.0), most=3).mark(world.images, world.instances.objects, SIZE)


def test_made_and_drawn_changes_are_functions_of_seed_and_epoch(world: World, tmp_path: Path) -> None:
    some = Removals(constant(0.0), negatives=0.5)
    made = MadeChanges(some, make_pictures(some, world, tmp_path / "made"), world.preprocessing)
    keys = [[Key(epoch, index) for index in range(12)] for epoch in range(8)]
    seen: list[list[str | None]] = []
    for changes in (made, DrawnChanges(some, world)):
        drawn = [changes(world.images, epoch) for epoch in keys]
        again = changes(world.images, keys[0])
        assert (
            drawn[0] is not None and again is not None and torch.equal(drawn[0].pictures.images, again.pictures.images)
        )
        assert drawn[0].pictures.images.shape == (len(drawn[0].rows), 3, SIZE, SIZE)
        seen.append([category for epoch in drawn if epoch for category in epoch.categories])
    assert seen[0] == seen[1]  # the same draws of the same changes
    negatives = np.mean([category is None for category in seen[0]])
    assert 0.3 < negatives < 0.7 and len({tuple(seen[0][:12]), tuple(seen[0][12:24])}) == 2


def data(source: Scenes, cache: Path, removal: Removals, world: World, **settings: Any) -> CaptionData:
    """The world's captions as a model sees them, whose pictures nothing leaves yet."""
    module = CaptionData(
        "scenes",
        str(source.root),
        source,
        str(cache),
        WORDS,
        min_count=1,
        captions_per_image=3,
        removal=removal,
        batch_size=4,
        eval_batch_size=4,
        **settings,
    )
    return module.for_model(ModelInputs(world.preprocessing))


def test_a_batch_says_where_captions_name_what_left(source: Scenes, world: World, tmp_path: Path) -> None:
    some = Removals(constant(0.0))
    module = data(source, tmp_path, some, world)
    assert module.dataset("train")[[Key(0, 0)]].changed is None
    module = module.with_changes(DrawnChanges(some, world))
    assert module.dataset("val")[[Key(0, 0)]].changed is None
    batch = module.dataset("train")[[Key(0, index) for index in range(12)]]
    changed = batch.changed
    assert changed is not None and len(changed) > 6 and changed.places.shape == (len(changed), 3)
    named = 0
    for m, row in enumerate(changed.rows.tolist()):
        category, places = int(changed.categories[m]), changed.places[m].tolist()
        for caption, place in zip(batch.captions[row].tolist(), places, strict=True):
            said = module.vocabulary.decode(caption)
            mentions = WORDS.located(" ".join(said))
            wanted = None if category < 0 else WORDS.categories[category]
            own = [mention.first for mention in mentions if mention.category == wanted]
            assert place == (own[0] if own else -1)
            named += place >= 0
    assert named > 5
    moved = batch.to("cpu").changed
    assert moved is not None and torch.equal(moved.places, changed.places) and batch.rows([0]).changed is None


def test_a_name_that_was_cut_off_is_nowhere(source: Scenes, world: World, tmp_path: Path) -> None:
    some = Removals(constant(0.0), negatives=0.0)
    module = data(source, tmp_path, some, world, max_words=2).with_changes(DrawnChanges(some, world))
    changed = module.dataset("train")[[Key(0, index) for index in range(12)]].changed
    assert changed is not None and changed.places.max() <= 1 and (changed.places == -1).any()


class Finds:
    """Finds a cat in pictures of odd numbers."""

    categories = ("ball", "cat")

    def __call__(self, photo: Image.Image, device: Any = "cpu") -> list[Instance]:
        mask = np.zeros((16, 16), np.uint8)
        mask[2:6, 2:6] = 1
        code = coco_mask.encode(np.asfortranarray(mask))
        return [Instance(1, "cat", (2, 2, 4, 4), (16, 16), code)] if photo.getpixel((0, 0)) == (1, 1, 1) else []


def test_objects_that_a_detector_found_stand_in_where_none_are_annotated(tmp_path: Path) -> None:
    (tmp_path / "train2017").mkdir()
    images = [CaptionedImage(i, tmp_path / "train2017" / f"{i}.png", ("a cat",)) for i in (1, 2, 3)]
    with pytest.raises(UserError, match="prepare data=pets masks=true"):
        known_objects(images, tmp_path, "pets")
    for image in images[:2]:
        Image.new("RGB", (16, 16), (image.id,) * 3).save(image.path)
    assert find_objects(images, Finds(), tmp_path / FOUND) == 1
    known = known_objects(images, tmp_path, "pets")
    (cat,) = known.objects[1]
    assert cat.category == "cat" and cat.box == (2, 2, 4, 4) and known.covered[2] == {"ball", "cat"}
    assert cat.mask(16).sum() == 16 and 3 not in known.covered
    Image.new("RGB", (16, 16), (1,) * 3).save(images[2].path)
    assert find_objects(images, Finds(), tmp_path / FOUND) == 2


def test_pictures_without_an_object_that_can_leave_are_an_error(world: World, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no object can be taken out"):
        make_pictures(Removals(constant(0.0), smallest=0.98, largest=0.99), world, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"negatives": 1.0}, "negatives"),
        ({"most": 0}, "most"),
        ({"smallest": 0.5, "largest": 0.4}, "smallest"),
        ({"dilate": -1}, "dilate"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Removals(constant(0.0), **settings)


@pytest.mark.parametrize("fills", [{}, {"a": None}])
def test_a_mixture_of_nothing_is_refused(fills: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="name at least one fill"):
        Mixed(fills)
    with pytest.raises(UserError, match="no other"):
        Mixed({"a": constant(0.0)}, {"b": 1.0})
