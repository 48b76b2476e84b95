"""`checkpoints/README.md`: what a model is, what it was trained on and how good it is, ready for a model hub."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from whysaid.studies.common.statistics import Interval, mean_interval

PIPELINES = {
    "captioning": "image-to-text",
    "vqa": "visual-question-answering",
    "inpainting": "image-to-image",
}
"""Name of a task's module → what model hubs call it."""

LIMITS = {
    "captioning": (
        "It knows the words and the objects of its training captions alone, and names objects that are not there: "
        "CHAIRi is the share of the named objects that are not in the picture. An explanation shows what a word rests "
        "on; it does not make the word true."
    ),
    "vqa": (
        "It chooses among the answers of its training questions, and it answers every question, also one about what is "
        "not in the picture."
    ),
    "inpainting": (
        "It paints what is likely beside what is known, and not what was there. Pictures that it has changed should be "
        "called so."
    ),
}
"""Module of a task → what its models cannot do."""

_OTHERS = ("_human", "_majority")
"""Ends of the names of what was scored in place of the model's captions."""

_SETTINGS = ("objective", "optimizer", "scheduler", "decoding")
"""Groups of the configuration whose classes the recipe names."""


def model_card(config: Mapping[str, Any], metrics: Mapping[str, float], records: Sequence[Mapping[str, Any]]) -> str:
    """Writes a model card in Markdown.

    Args:
        config: of the training, plain containers.
        metrics: name such as `test/CIDEr` → value.
        records: of the test images, as in `predictions_test.json`: `image_id`, and `scores` where images were scored
            one by one; may be empty.
    """
    task = str(config["assemble"]).rpartition(".")[2]
    task = "captioning" if task == "tuned" else task
    data = config["data"]["name"]
    scores = {key: value for key, value in metrics.items() if key.startswith("test/") and "_" not in key}
    front = {
        "library_name": "whysaid",
        "pipeline_tag": PIPELINES[task],
        "tags": ["whysaid", "explainability"],
        "datasets": [data],
        "metrics": sorted(key.removeprefix("test/") for key in scores),
    }
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {config['task_name']}: {task} on {data}",
        "Trained and tested with whysaid. `best.ckpt` has the best validation score; `last.ckpt` is the last one.",
        "```bash\npython -m src.explain ckpt=best.ckpt image=my_photo.jpg\n```" if task != "inpainting" else "",
        "## Data",
        _lines(config["data"], ("_target_", "name", "source", "min_count", "max_words", "batch_size")),
        "## Recipe",
        _recipe(config),
        "## Scores on the test split",
        _scores(metrics, intervals(metrics, records)) or "The training was not tested.",
        "## Limits",
        LIMITS[task],
        "## Licence",
        "The weights may be used as the licences of the training data and of the encoder's weights "
        f"({_weights(config)}) allow. The licence that you choose for them belongs here.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def intervals(metrics: Mapping[str, float], records: Sequence[Mapping[str, Any]]) -> dict[str, Interval]:
    """95 % intervals over images of those metrics that are the mean of what single images score."""
    names = sorted({name for record in records for name in record.get("scores", {})})
    known = {}
    for name in names:
        scored = [record for record in records if name in record.get("scores", {})]
        values = [record["scores"][name] for record in scored]
        interval = mean_interval(values, [record["image_id"] for record in scored])
        if abs(interval.value - metrics.get(f"test/{name}", float("inf"))) < 1e-4:
            known[name] = interval
    return known


def _scores(metrics: Mapping[str, float], known: Mapping[str, Interval]) -> str:
    rows = []
    for key, value in sorted(metrics.items()):
        if not key.startswith("test/") or key.endswith(_OTHERS):
            continue
        interval = known.get(key.removeprefix("test/"))
        between = "" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
        rows.append(f"| {key.removeprefix('test/')} | {value:.4f} | {between} |")
    return "\n".join(["| metric | value | 95 % interval over images |", "|---|---|---|", *rows]) if rows else ""


def _recipe(config: Mapping[str, Any]) -> str:
    began = config.get("ckpt") or config["model"].get("pretrained") or "random weights"
    lines = [f"- seed: {config['seed']}", f"- started from: {began}"]
    for group in ("model", "encoder", *_SETTINGS):
        settings = config.get(group)
        if isinstance(settings, Mapping) and "_target_" in settings:
            lines.append(f"- {group}: `{settings['_target_']}`")
    trainer = config["trainer"]
    lines += [
        f"- {key}: {trainer[key]}"
        for key in ("max_epochs", "max_steps", "precision")
        if trainer.get(key) not in (None, -1)
    ]
    return "\n".join([*lines, "", "All settings are in the checkpoint, and in the run's `config.yaml`."])


def _lines(settings: Mapping[str, Any], names: Sequence[str]) -> str:
    return "\n".join(f"- {name.strip('_')}: `{settings[name]}`" for name in names if name in settings)


def _weights(config: Mapping[str, Any]) -> str:
    encoder = config.get("encoder") or {}
    if config["model"].get("pretrained"):
        return str(config["model"]["pretrained"])
    return str(encoder.get("weights") or "none: it was trained from random weights")
