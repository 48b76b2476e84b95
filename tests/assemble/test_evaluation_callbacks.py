"""Which callbacks score a checkpoint whose task is known only when it is read."""

from pathlib import Path

import pytest

from tests.running import composed
from whysaid.assemble.evaluation_callbacks import with_task_callbacks


@pytest.mark.parametrize(
    ("task", "target"),
    [
        ("captioning", "whysaid.callbacks.caption_metrics.CaptionMetrics"),
        ("inpainting", "whysaid.callbacks.inpainting_metrics.InpaintingMetrics"),
        ("vqa", "whysaid.callbacks.vqa_metrics.VQAMetrics"),
    ],
)
def test_a_task_has_its_own(task: str, target: str, tmp_path: Path) -> None:
    config = composed("evaluate", tmp_path, "ckpt=any")
    assert with_task_callbacks(config, task).callbacks.metrics._target_ == target


def test_what_the_command_line_chooses_is_kept(tmp_path: Path) -> None:
    config = composed("evaluate", tmp_path, "ckpt=any", "callbacks=inpainting_evaluation")
    assert "InpaintingMetrics" in with_task_callbacks(config, "vqa").callbacks.metrics._target_
