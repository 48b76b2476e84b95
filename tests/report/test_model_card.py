"""The card beside the checkpoints of a training."""

import json
from pathlib import Path

import pytest
import yaml

from whysaid.report.model_card import LIMITS, intervals, model_card
from whysaid.run.config_file import load_config


def test_a_training_leaves_its_card(finished: Path) -> None:
    card = (finished / "checkpoints" / "README.md").read_text(encoding="utf-8")
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "whysaid",
        "pipeline_tag": "image-to-text",
        "tags": ["whysaid", "explainability"],
        "datasets": ["scenes"],
        "metrics": yaml.safe_load(front)["metrics"],
    }
    metrics = json.loads((finished / "metrics.json").read_text())
    assert f"| CIDEr | {metrics['test/CIDEr']:.4f} | " in text
    assert "python -m src.explain ckpt=best.ckpt" in text and "whysaid.models" in text


def test_intervals_are_of_what_is_a_mean_over_images() -> None:
    records = [{"image_id": i, "scores": {"CIDEr": float(i % 2), "BLEU-4": 0.1}} for i in range(50)]
    known = intervals({"test/CIDEr": 0.5, "test/BLEU-4": 0.4}, records)
    assert set(known) == {"CIDEr"} and known["CIDEr"].low < 0.5 < known["CIDEr"].high


@pytest.mark.parametrize("task", sorted(LIMITS))
def test_every_task_has_its_limits(task: str, finished: Path) -> None:
    config = {**load_config(finished / "config.yaml"), "assemble": f"whysaid.assemble.{task}"}
    card = model_card(config, {}, [])
    assert LIMITS[task] in card and "The training was not tested." in card
