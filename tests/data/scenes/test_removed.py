from pathlib import Path

import numpy as np
import torch

from whysaid.data.images import Photo
from whysaid.data.inpainting.holes import centred
from whysaid.data.sampler import Key
from whysaid.data.scenes.records import annotation_id
from whysaid.data.scenes.removed import RemovedObjects, without
from whysaid.data.scenes.render import masks, render
from whysaid.data.scenes.scene import IDS_PER_SPLIT
from whysaid.data.scenes.source import Scenes
from whysaid.data.scenes.world import scene

SIZE = 64
SOURCE = Scenes("nowhere", seed=3, size=SIZE)
PHOTOS = [Photo(2 * IDS_PER_SPLIT + 1 + i, Path("unused.png")) for i in range(5)]
"""The first scenes of the test split; no file is read."""


def test_every_object_of_every_scene() -> None:
    removed = RemovedObjects(PHOTOS, SOURCE)
    counts = [len(scene(3, "test", i, SIZE).objects) for i in range(5)]
    assert len(removed) == sum(counts)
    batch = removed[[Key(0, i) for i in range(len(removed))]]
    ids = [annotation_id(PHOTOS[i].id, n) for i in range(5) for n in range(counts[i])]
    assert batch.image_ids.tolist() == ids
    assert len(RemovedObjects(PHOTOS, SOURCE, limit=3)) == 3


def test_truth_and_scene_agree_outside_the_hole() -> None:
    removed = RemovedObjects(PHOTOS, SOURCE, dilate=8)
    for place, (whole_scene, index) in enumerate(removed.objects):
        batch = removed[[Key(0, place)]]
        hole = batch.masks[0, 0].bool().numpy()
        whole = centred(render(whole_scene))
        changed = (whole != batch.images[0]).any(0).numpy()
        assert not (changed & ~hole).any() and changed.any()
        assert (hole | ~masks(whole_scene)[index]).all(), "the hole covers what is seen of the object"
        assert np.count_nonzero(hole) > np.count_nonzero(masks(whole_scene)[index])


def test_the_truth_is_the_scene_without_the_object() -> None:
    whole_scene = scene(3, "test", 0, SIZE)
    assert torch.equal(RemovedObjects(PHOTOS, SOURCE)[[Key(0, 0)]].images[0], centred(render(whole_scene, without=0)))


def test_the_scene_without_the_object_of_an_annotation() -> None:
    whole_scene = scene(3, "test", 1, SIZE)
    for index in range(len(whole_scene.objects)):
        drawn = without(SOURCE, whole_scene.image_id, annotation_id(whole_scene.image_id, index))
        assert np.array_equal(drawn, render(whole_scene, without=index))
