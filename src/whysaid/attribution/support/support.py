"""A calibrated probability that what a word names is there.

M words, F scores.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whysaid.attribution.support.evidence import Evidence
from whysaid.attribution.support.logistic import Logistic
from whysaid.attribution.support.presence import Presence
from whysaid.data.files.annotation_file import laid_out, read_json
from whysaid.data.files.whole import write_whole
from whysaid.errors import UserError
from whysaid.models.captioner import Captioner
from whysaid.models.fingerprint import fingerprint

SUFFIX = ".support.json"
"""`best.ckpt` has its support in `best.support.json`."""


@dataclass(frozen=True)
class Support:
    """Logistic regressions of the same words on more and on less evidence, for one captioner.

    Attributes:
        captioner: the key of it, see `captioner_key`.
        regressions: names of the F scores → their regression, the one of most evidence first.
        fitted: on what, plain containers.
        presence: the probe whose log-odds are one of the scores, or None.
    """

    captioner: str
    regressions: Mapping[tuple[str, ...], Logistic]
    fitted: Mapping[str, Any] = field(default_factory=dict)
    presence: Presence | None = None

    def __call__(self, evidence: Evidence) -> NDArray[np.floating]:
        """The support (M,) of words, in [0, 1], by the regression of the most evidence that is known of them all.

        Args:
            evidence: name of a score → (M,), or None.

        Raises:
            UserError: not enough is known for any regression.
        """
        for names, regression in self.regressions.items():
            scores = [evidence.get(name) for name in names]
            if all(score is not None for score in scores):
                return regression(np.stack([np.asarray(score, float) for score in scores], -1))
        known = [name for name, score in evidence.items() if score is not None]
        raise UserError(f"support needs {' and '.join(self.needed)}; only {' and '.join(known) or 'nothing'} is known")

    @property
    def needed(self) -> Sequence[str]:
        """The scores without which there is no support."""
        return list(self.regressions)[-1]

    def write(self, path: Path) -> None:
        """Writes the file."""
        content = {
            "captioner": self.captioner,
            "regressions": [
                {"scores": list(names), "weights": list(of.weights), "bias": of.bias}
                for names, of in self.regressions.items()
            ],
            "fitted": dict(self.fitted),
            "presence": None if self.presence is None else self.presence.to_dict(),
        }
        write_whole(path, json.dumps(content, indent=1) + "\n")


def read_support(path: Path) -> Support:
    """Reads a file that `Support.write` wrote; UserError where it is missing or no such file."""
    content = read_json(path)
    with laid_out(path):
        regressions = {
            tuple(map(str, entry["scores"])): Logistic(list(map(float, entry["weights"])), float(entry["bias"]))
            for entry in content["regressions"]
        }
        if not regressions or any(len(names) != len(of.weights) for names, of in regressions.items()):
            raise ValueError("it holds no regression with a weight for each score")
        presence = content.get("presence")  # files of older versions have none
        probe = None if presence is None else Presence.from_dict(presence)
        return Support(str(content["captioner"]), regressions, dict(content["fitted"]), probe)


def captioner_key(captioner: Captioner, words: Sequence[str]) -> str:
    """What a support file knows its captioner by, wherever the checkpoint lies: weights, classes and vocabulary."""
    return fingerprint(captioner, [type(captioner).__qualname__, type(captioner.encoder).__qualname__, list(words)])


def beside(ckpt: Path) -> Path:
    """Where the support of a checkpoint lies."""
    return ckpt.with_name(ckpt.stem + SUFFIX)


def by_key(folder: Path, key: str) -> Path:
    """Where it lies in a folder that holds the support of many captioners."""
    return folder / f"{key}.json"


def find_support(
    captioner: Captioner, words: Sequence[str], ckpt: Path, folder: Path | None = None, file: Path | None = None
) -> Support | None:
    """Finds the support of a captioner: in a file that is named, beside its checkpoint, or by its key in a folder.

    Args:
        captioner: with its weights.
        words: of its vocabulary.
        ckpt: its checkpoint.
        folder: of many; None looks in none.
        file: that must be it; None looks for one.

    Returns:
        None where there is no such file.

    Raises:
        UserError: the file is of another captioner, or is no such file.
    """
    key = captioner_key(captioner, words)
    places = [file] if file is not None else [beside(ckpt), *([] if folder is None else [by_key(folder, key)])]
    for path in places:
        if file is not None or path.is_file():
            support = read_support(path)
            if support.captioner != key:
                raise UserError(
                    f"{path} is the support of another captioner than {ckpt}: fit it anew with study=support, or leave "
                    "it out with support.file=none"
                )
            return support
    return None
