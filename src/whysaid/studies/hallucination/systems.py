"""What is compared: checkpoints, decodings and controls, and what each says of the same images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.object_words import ObjectWords
from whysaid.decoding.rescore import said_log_probs
from whysaid.errors import UserError
from whysaid.studies.common.captioned import caption_split
from whysaid.studies.hallucination.controls import Said, cut, drop_least_probable
from whysaid.tasks.writer import Writer

Captions = dict[int, str]
"""Image id → caption."""

MakeWriter = Callable[
    [str | Sequence[str], CaptionData, Mapping[str, Any], Mapping[str, Any]], tuple[Writer, CaptionData]
]
"""`whysaid.assemble.captioning.build_writer`: (checkpoint, or those of an ensemble; data; decoding; what is laid over
the decoding) → what writes captions, and the data as its encoder sees them."""

SETTINGS = {"ckpt", "seeds", "decoding"}
"""Keys of a row."""

CONTROLS = ("cut", "temperature", "drop")

SAMPLING = {"_target_": "whysaid.decoding.sampling.Multinomial"}
"""How captions of a temperature are drawn."""


@dataclass(frozen=True)
class System:
    """One row that is captioned: how its captions come about.

    Attributes:
        name: of the row.
        checkpoints: K of them, trained alike with different seeds; each a path, or a list of paths for an ensemble.
            Empty: the checkpoint that is evaluated.
        decoding: laid over the decoding that is evaluated or, with a target, in place of it.
        control: the family of controls that it is one of; empty for a claim.
    """

    name: str
    checkpoints: Sequence[str | Sequence[str]] = ()
    decoding: Mapping[str, Any] = field(default_factory=dict)
    control: str = ""


def claimed_systems(rows: Mapping[str, Mapping[str, Any] | None]) -> list[System]:
    """The rows of a configuration, those set to null left out; UserError where one has a key that no row has."""
    systems = []
    for name, row in rows.items():
        if row is None:
            continue
        unknown = sorted(row.keys() - SETTINGS)
        if unknown or {"ckpt", "seeds"} <= row.keys():
            what = f"has no {unknown[0]}" if unknown else "takes ckpt or seeds, not both"
            raise UserError(f"study.rows.{name} {what}: its keys are {', '.join(sorted(SETTINGS))}")
        checkpoints = row["seeds"] if "seeds" in row else [row["ckpt"]] if "ckpt" in row else []
        systems.append(System(str(name), checkpoints, row.get("decoding") or {}))
    return systems


def control_values(controls: Mapping[str, Sequence[float] | None]) -> dict[str, list[float]]:
    """The values of each family of controls, none of one set to null; UserError where there is no such family."""
    unknown = sorted(controls.keys() - set(CONTROLS))
    if unknown:
        raise UserError(f"study.controls has no {unknown[0]}: it takes {', '.join(CONTROLS)}")
    return {name: list(controls.get(name) or []) for name in CONTROLS}


def sampled_systems(temperatures: Sequence[float]) -> list[System]:
    """The evaluated checkpoint's captions, drawn word by word at each temperature."""
    return [
        System(f"temperature {value:g}", decoding={**SAMPLING, "temperature": value}, control="temperature")
        for value in temperatures
    ]


def changed_captions(
    said: Mapping[int, Said], controls: Mapping[str, Sequence[float]], table: ObjectWords
) -> dict[str, tuple[str, Captions]]:
    """Name of a row → family of controls, and the captions as these controls change them."""
    changes: dict[str, tuple[str, Callable[[Said], str]]] = {
        **{f"cut {words:g}": ("cut", partial(cut, words=int(words))) for words in controls["cut"]},
        **{
            f"drop {below:g}": ("drop", partial(drop_least_probable, object_words=table, below=below))
            for below in controls["drop"]
        },
    }
    return {
        name: (control, {i: change(caption) for i, caption in said.items()})
        for name, (control, change) in changes.items()
    }


def say(task: Writer, data: CaptionData, images: int | None, seed: int, batch_size: int) -> dict[int, Said]:
    """Captions of images of the split `data.evaluated`, with the log-probability of each word.

    Args:
        task: captioner and decoding.
        data: with the preprocessing, or the cached features, of the captioner's encoder.
        images: so many at most, drawn by `seed`; None takes all.
        seed: of that draw, and of decodings that draw.
        batch_size: images.
    """
    task.eval()
    torch.manual_seed(seed)
    captions: dict[int, Said] = {}
    for captioned in caption_split(task, data, images, seed, batch_size):
        log_probs = said_log_probs(task.captioner, captioned.tokens, captioned.features).tolist()
        for row, (i, words) in enumerate(zip(captioned.ids, captioned.captions, strict=True)):
            captions[i] = Said(words, captioned.summed(row, log_probs[row]))
    return captions
