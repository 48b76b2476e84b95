import numpy as np
import pytest

from whysaid.data.scenes import world
from whysaid.data.scenes.backgrounds import BACKGROUNDS, background
from whysaid.data.scenes.objects import CLASSES, COLOURS
from whysaid.data.scenes.render import masks, render, silhouettes
from whysaid.data.scenes.scene import Scene, SceneObject
from whysaid.data.scenes.sprites import sprite

SCENES = [world.scene(0, "train", index) for index in range(60)]


@pytest.mark.parametrize("scene", SCENES[:30], ids=lambda scene: scene.index)
def test_mask_is_what_changes_when_an_object_is_taken_away(scene: Scene):
    picture = render(scene)
    for index, mask in enumerate(masks(scene)):
        changed = (render(scene, without=index) != picture).any(-1)
        assert np.array_equal(changed, mask)


def test_masks_partition_the_silhouettes():
    overlapping = 0
    for scene in SCENES:
        visible, whole = masks(scene), silhouettes(scene)
        assert (visible.sum(0) <= 1).all()
        assert np.array_equal(visible.any(0), whole.any(0))
        assert np.array_equal(visible[-1], whole[-1])  # nothing stands before the last
        overlapping += bool((whole.sum(0) > 1).any())
    assert 10 <= overlapping < len(SCENES)


def test_every_object_is_seen_and_inside():
    for scene in SCENES:
        assert (masks(scene).sum((1, 2)) >= world.SEEN * silhouettes(scene).sum((1, 2))).all()
        assert all(min(o.left, o.top) >= 0 and max(o.left, o.top) + o.side <= scene.size for o in scene.objects)


def test_front_object_hides_the_one_behind():
    def ball(colour: str) -> SceneObject:
        return SceneObject("ball", colour, "big", 10, 10, 38, 1.0, False)

    both = Scene(0, "train", 0, 80, "tiles", (ball("red"), ball("blue")))
    only_front = Scene(0, "train", 0, 80, "tiles", (ball("blue"),))
    assert np.array_equal(render(both), render(only_front))
    assert masks(both)[0].sum() == 0


def test_sprites_differ_in_class_and_show_their_colour():
    shapes = {name: sprite(name, "red", 22)[1] for name in CLASSES}
    for name, shape in shapes.items():
        for other in CLASSES[: CLASSES.index(name)]:
            union = (shape | shapes[other]).sum()
            assert (shape & shapes[other]).sum() < 0.95 * union, (name, other)
        for colour, rgb in COLOURS.items():
            pixels, silhouette = sprite(name, colour, 38)
            share = (np.abs(pixels[silhouette] - rgb).max(-1) < 8).mean()
            assert share > 0.15, (name, colour)


@pytest.mark.parametrize("kind", BACKGROUNDS)
@pytest.mark.parametrize("size", [48, 80])
def test_ground_has_structure_that_its_mean_does_not_tell(kind: str, size: int):
    ground = background(kind, "a", size)
    assert ground.shape == (size, size, 3) and ground.min() >= 0 and ground.max() <= 255
    assert np.array_equal(ground, background(kind, "a", size))
    assert not np.array_equal(ground, background(kind, "b", size))
    assert ground.mean(-1).std() > 8


@pytest.mark.parametrize("size", [48, 64, 256])
def test_scenes_of_other_sizes(size: int):
    scene = world.scene(0, "val", 3, size)
    assert render(scene).shape == (size, size, 3)
    assert (masks(scene).sum((1, 2)) > 0).all()
