"""Where people look to answer a question: VQA-HAT's maps (Das et al. 2016), or what stands in for them.

A person's map is (h, w), ≥ 0, of any scale, over the whole picture.
"""

import re
from collections import defaultdict
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from whysaid.data.annotated import read_instances
from whysaid.data.files.folder import visible_files
from whysaid.data.images import load_image
from whysaid.data.questions.vqa import AskedImage, Question
from whysaid.errors import UserError

Array = NDArray[np.floating]

_NAME = re.compile(r"(\d+)_(\d+)\.png")


class HumanMaps(NamedTuple):
    """The maps of those who were asked a question, and the files of others, which cannot be read."""

    maps: Sequence[Array]
    unreadable: list[str]


class People(Protocol):
    """Knows where people looked. `label` says who they are."""

    label: str

    def __contains__(self, question: Question) -> bool: ...

    def of(self, question: Question) -> HumanMaps: ...

    def unasked(self, questions: Container[int]) -> list[str]: ...


class HatMaps:
    """A folder of `<question id>_<n>.png`, n = 1, 2, 3 the person.

    Raises UserError: there is no such folder, or no such file in it.
    """

    label = "people (VQA-HAT)"

    def __init__(self, folder: str | Path):
        self.files: dict[int, list[Path]] = defaultdict(list)
        self.strange: list[str] = []
        if not Path(folder).is_dir():
            raise UserError(f"there is no folder {folder}: fetch VQA-HAT's maps, and give study.hat= their folder")
        for path in (path for path in visible_files(Path(folder)) if path.suffix == ".png"):
            match = _NAME.fullmatch(path.name)
            if match is None:
                self.strange.append(path.name)
            else:
                self.files[int(match[1])].append(path)
        if not self.files:
            raise UserError(f"{folder} has no <question id>_<n>.png: give study.hat= the folder of VQA-HAT's maps")

    def __contains__(self, question: Question) -> bool:
        return question.id in self.files

    def of(self, question: Question) -> HumanMaps:
        """Brightness in [0, 1]; files are opened here and not before."""
        maps, unreadable = [], []
        for path in self.files.get(question.id, ()):
            try:
                maps.append(np.asarray(load_image(path).convert("L"), np.float32) / 255)
            except UserError:
                unreadable.append(path.name)
        return HumanMaps(maps, unreadable)

    def unasked(self, questions: Container[int]) -> list[str]:
        """Names of the files whose question is none of these."""
        others = (path.name for i, paths in self.files.items() if i not in questions for path in paths)
        return sorted([*others, *self.strange])


class DecidingObjects:
    """A stand-in for people: 1 on the annotated objects that decide the answer, 0 elsewhere; one map a question.

    Args:
        images: of questions with `deciding` ids (Scenes).
        side: S of the maps.

    Raises UserError where no question says what decides it.
    """

    label = "deciding objects (a stand-in, no people)"

    def __init__(self, images: Sequence[AskedImage], side: int):
        if not any(question.deciding for image in images for question in image.questions):
            raise UserError(
                "these questions do not say which objects decide them: give study.hat= the folder of VQA-HAT's maps"
            )
        objects = read_instances(images).objects.values()
        self.instances = {instance.id: instance for annotated in objects for instance in annotated}
        self.side = side

    def __contains__(self, question: Question) -> bool:
        return any(i in self.instances for i in question.deciding)

    def of(self, question: Question) -> HumanMaps:
        masks = [self.instances[i].mask(self.side) for i in question.deciding if i in self.instances]
        return HumanMaps([np.any(masks, 0).astype(np.float32)] if masks else [], [])

    def unasked(self, questions: Container[int]) -> list[str]:
        """Returns no names: these maps are made of questions."""
        return []
