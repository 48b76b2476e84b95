"""Files of questions that are answered by yes or no, as POPE and AMBER publish them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whysaid.data.files.annotation_file import inside, laid_out, read_json
from whysaid.data.polls import Poll
from whysaid.errors import UserError

_ASKED = re.compile(r"\bis there (?:an? |any )?(.+?) in (?:the|this) (?:image|picture|photo)\b", re.IGNORECASE)


def read_polls(path: Path, answers: Path | None = None, pictures: Path | None = None) -> list[Poll]:
    """Reads a file of POPE's (`coco_pope_random.json`: a question and its label in each line) or of AMBER's.

    Args:
        path: of the questions.
        answers: AMBER's `annotations.json`; POPE's questions have their answers beside them.
        pictures: folder of the pictures; None finds them among the data set's own, by the number in a file's name.

    Raises:
        UserError: a file is missing or broken, AMBER's answers are not given, or a name leads out of the folder.
    """
    entries = _entries(path)
    with laid_out(path):
        truths = {entry["id"]: entry.get("truth") for entry in read_json(answers)} if answers is not None else {}
        return [_poll(entry, truths, path, pictures) for entry in entries]


def _entries(path: Path) -> list[Any]:
    """The questions of a JSON list, or of one JSON object a line."""
    try:
        text = path.read_text(encoding="utf-8")
        whole = json.loads(text) if text.lstrip().startswith("[") else [json.loads(x) for x in text.splitlines() if x]
    except FileNotFoundError:
        raise UserError(f"{path} is missing: study.files names files of POPE's or AMBER's") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a JSON file ({error}): fetch it again") from None
    if not whole:
        raise UserError(f"{path} asks nothing: fetch it again")
    return list(whole)


def _poll(entry: Mapping[str, Any], truths: Mapping[int, Any], path: Path, pictures: Path | None) -> Poll:
    text = entry["text"] if "text" in entry else entry["query"]
    label = entry["label"] if "label" in entry else truths.get(entry["id"])
    if label not in ("yes", "no"):
        raise UserError(
            f"{path} does not say whether {text!r} is to be answered by yes or no: give AMBER's annotations.json as "
            "study.answers"
        )
    name = str(entry["image"])
    numbers = re.findall(r"\d+", Path(name).stem)
    asked = _ASKED.search(text)
    return Poll(
        int(numbers[-1]),
        text,
        asked[1].lower() if asked else None,
        label == "yes",
        None if pictures is None else inside(pictures, name),
    )
