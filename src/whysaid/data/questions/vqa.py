"""Visual question answering (Antol et al. 2015; Goyal et al. 2017): the published question and annotation files."""

import logging
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whysaid.data.files.annotation_file import identity, inside, laid_out, read_json
from whysaid.data.images import Photo
from whysaid.data.words import spaced
from whysaid.errors import UserError

log = logging.getLogger(__name__)

PREFIX = {1: "", 2: "v2_"}
"""Version of VQA → what its files' names begin with."""


@dataclass(frozen=True)
class Question:
    """One question about an image.

    id: the data set's own. text: as it was asked. type: its first words, as the data set groups them ("how many").
    answer_type: `yes/no`, `number` or `other`. answer: the commonest of `answers`, those of the people asked; empty,
    and `answers` too, in a test split whose answers are not published.
    choices: the answers of a multiple choice (VQA v1: 18), or nothing.
    deciding: ids of the annotated objects that decide the answer, where that is known (Scenes).
    """

    id: int
    text: str
    type: str
    answer_type: str
    answer: str
    answers: tuple[str, ...]
    choices: tuple[str, ...] = ()
    deciding: tuple[int, ...] = ()


@dataclass(frozen=True)
class AskedImage(Photo):
    """One photo with questions about it."""

    questions: tuple[Question, ...]

    def spaced(self) -> "AskedImage":
        """Returns the same with spaces between the characters of scripts that are written without them."""
        return replace(self, questions=tuple(replace(asked, text=spaced(asked.text)) for asked in self.questions))


class VQA:
    """Questions in the layout of VQA v1 and v2.

    A test split may have no annotations, as that of VQA itself, which a server scores. Among annotated questions those
    that nobody has answered are left out, with a warning.

    `<prefix>OpenEnded_mscoco_<folder>_questions.json`, `<prefix>mscoco_<folder>_annotations.json` and, for a multiple
    choice, `<prefix>MultipleChoice_mscoco_<folder>_questions.json`.

    Args:
        root: folder with the image folders.
        questions: folder of the question and annotation files, below `root`.
        folders: split → image folder. Without one for `val`, validation images are drawn from those for training.
        image: name of an image's file in its folder, of `folder` and `id`.
        version: 1 or 2.
        multiple_choice: read the choices too (VQA v1 alone has them).
        val: how many images are drawn for validation.
        seed: of the draw.
    """

    def __init__(
        self,
        root: str,
        questions: str = ".",
        folders: Mapping[str, str] | None = None,
        image: str = "COCO_{folder}_{id:012d}.jpg",
        version: int = 2,
        multiple_choice: bool = False,
        val: int = 4_000,
        seed: int = 0,
    ):
        if version not in PREFIX:
            raise UserError(f"there is no version {version} of VQA here: choose 1 or 2")
        self.root, self.files, self.prefix = Path(root), Path(root) / questions, PREFIX[version]
        self.folders = dict(folders or {"train": "train2014", "test": "val2014"})
        self.image, self.multiple_choice, self.val, self.seed = image, multiple_choice, val, seed

    def read(self, split: str) -> list[AskedImage]:
        """The images of `train`, `val` or `test` that are asked about, in a fixed order."""
        if split in self.folders and not (split == "train" and "val" not in self.folders):
            return self._read_folder(self.folders[split], unanswered=split == "test")
        images = self._read_folder(self.folders["train"])
        random.Random(self.seed).shuffle(images)
        if self.val >= len(images):
            raise UserError(
                f"{self.root}/{self.folders['train']} has {len(images)} images with questions, too few to draw "
                f"{self.val} for validation: lower data.source.val"
            )
        return images[: self.val] if split == "val" else images[self.val :]

    def _read_folder(self, folder: str, unanswered: bool = False) -> list[AskedImage]:
        """Reads the questions about a folder's images; `unanswered`: they need no answers."""
        kind = "MultipleChoice" if self.multiple_choice else "OpenEnded"
        asked = _entries(self.files / f"{self.prefix}{kind}_mscoco_{folder}_questions.json", "questions")
        path = self.files / f"{self.prefix}mscoco_{folder}_annotations.json"
        answers = [] if unanswered and not path.exists() else _entries(path, "annotations")
        with laid_out(path):
            answered = {identity(entry["question_id"], "an answered question"): entry for entry in answers}
            if unanswered and not any(entry.get("answers") for entry in answers):
                answered = {identity(entry["question_id"], "a question"): _UNANSWERED for entry in asked}
            return self._asked(asked, answered, folder, path)

    def _asked(self, asked: Sequence[Any], answered: Mapping[int, Any], folder: str, path: Path) -> list[AskedImage]:
        by_image: dict[int, list[Question]] = {}
        left_out: list[int] = []
        for entry in asked:
            number = identity(entry["question_id"], "a question")
            if number not in answered:
                raise UserError(f"{path} does not answer question {number}: fetch files of one release")
            if answered[number] is not _UNANSWERED and answered[number].get("answers") == []:
                left_out.append(number)
                continue
            choices = entry.get("multiple_choices", ()) if self.multiple_choice else ()
            question = _question(number, entry, answered[number], choices)
            by_image.setdefault(identity(entry["image_id"], f"the image of question {number}"), []).append(question)
        if left_out:
            log.warning(
                "%s has no answer to %d of %d questions, which are left out; the first is question %d",
                *(path, len(left_out), len(asked), left_out[0]),
            )
        return [AskedImage(i, self._path(folder, i), tuple(questions)) for i, questions in sorted(by_image.items())]

    def _path(self, folder: str, image_id: int) -> Path:
        return inside(self.root / folder, self.image.format(folder=folder, id=image_id))


_UNANSWERED: Mapping[str, Any] = {"multiple_choice_answer": "", "answers": []}
"""The annotation of a question whose answers are not published."""


def _entries(path: Path, key: str) -> list[Any]:
    """The list under `key`, whose entries have question ids."""
    contents = read_json(path)
    entries = contents.get(key) if isinstance(contents, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "question_id" in e for e in entries):
        raise UserError(f"{path} has no list of {key} with question ids: is it a file of VQA's?")
    return entries


def _question(number: int, asked: Mapping[str, Any], answered: Mapping[str, Any], choices: Sequence[str]) -> Question:
    try:
        return Question(
            number,
            _text(asked["question"]),
            sys.intern(answered.get("question_type", "")),
            sys.intern(answered.get("answer_type", "")),
            sys.intern(answered["multiple_choice_answer"]),
            _interned([reply["answer"] for reply in answered["answers"]]),
            _interned(choices),
            tuple(identity(deciding, "an object") for deciding in answered.get("deciding_annotation_ids", [])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"question {number} or its annotation lacks {error}: fetch the files again") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text, and has {str(value)[:60]!r}")
    return value


def _interned(texts: Sequence[str]) -> tuple[str, ...]:
    """Keeps each text once: millions of answers are a few thousand texts."""
    return tuple(map(sys.intern, texts))
