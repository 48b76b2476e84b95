from pathlib import Path

import numpy as np
import pytest

from tests.running import COUNTS, SIZE
from whysaid.data.inpainting.outlines import SIDE, Outlines
from whysaid.data.scenes.source import Scenes
from whysaid.errors import UserError


def world(data_dir: Path) -> Scenes:
    return Scenes(str(data_dir / "scenes"), size=SIZE, counts=COUNTS)


def test_objects_of_the_training_pictures(data_dir: Path) -> None:
    outlines = Outlines(world(data_dir), limit=20)
    assert len(outlines) == 20
    assert all(mask.shape == (SIDE, SIDE) and mask.any() and not mask.all() for mask in outlines)
    assert np.array_equal(outlines[3], Outlines(world(data_dir), limit=20)[3])
    assert len(Outlines(world(data_dir), limit=10**6)) > 48, "more than one object to a scene"


def test_small_ones_are_left_out(data_dir: Path) -> None:
    every, large = (Outlines(world(data_dir), 10**6, least=least) for least in (0.0, 0.15))
    assert 0 < len(large) < len(every)


def test_nothing_outlined(data_dir: Path) -> None:
    with pytest.raises(UserError, match="no training picture has outlined objects"):
        len(Outlines(world(data_dir), least=0.99))
