"""Captions of languages other than English, through the doors."""

import json
import shutil
from pathlib import Path

import pytest

from tests.running import FIGURES, SCENES, Ran, only, run_door

pytestmark = pytest.mark.usefixtures("plain_tokens")

CHINESE = ("一只棕色的狗在草地上奔跑。", "两个孩子在球场上玩红色的球。")
LEARNT = (only("val", "BLEU"), "monitor=val/BLEU-1", "trainer.max_epochs=4", "optimizer.lr=2e-2")
FRENCH = ("Une crème brûlée et l'été.", "Deux garçons à l’école.")


def written(data_dir: Path, tmp_path: Path, captions: tuple[str, ...], *overrides: str) -> Ran:
    """Trains on the tests' world with other captions."""
    world = tmp_path / "data" / "scenes"
    shutil.copytree(data_dir / "scenes", world)
    for path in (world / "annotations").glob("captions_*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        for i, annotation in enumerate(content["annotations"]):
            annotation["caption"] = captions[i % len(captions)]
        path.write_text(json.dumps(content), encoding="utf-8")
    places = [f"paths.data_dir={tmp_path}/data", f"paths.output_dir={tmp_path}/outputs"]
    return run_door("train", *SCENES, *FIGURES, *places, *overrides)


def vocabulary(tmp_path: Path) -> list[str]:
    (path,) = (tmp_path / "data" / "cache" / "scenes").glob("corpus-*/vocabulary.json")
    return json.loads(path.read_text(encoding="utf-8"))[4:]


def test_chinese_captions_as_they_are_written(data_dir: Path, tmp_path: Path) -> None:
    error = written(data_dir, tmp_path, CHINESE).error
    assert "'一只棕色的狗在草地上奔跑' is no single word" in error and "set data.characters=true" in error


def test_chinese_characters_as_words(data_dir: Path, tmp_path: Path) -> None:
    ran = written(data_dir, tmp_path, CHINESE, "data.characters=true", *LEARNT)
    assert set(vocabulary(tmp_path)) == {character for caption in CHINESE for character in caption} - {"。"}
    assert json.loads((ran.folder / "metrics.json").read_text())["val/BLEU-1"] > 0.5
    explained = run_door(
        "explain",
        f"ckpt={ran.folder}/checkpoints/best.ckpt",
        f"image={min((tmp_path / 'data/scenes/test2017').iterdir())}",
        'caption="一只狗"',
        "~attribution",
        f"paths.output_dir={tmp_path}/outputs",
    )
    (record,) = json.loads((explained.folder / "explanations.json").read_text())["explanations"]
    assert record["words"] == ["一", "只", "狗"]


def test_french_captions(data_dir: Path, tmp_path: Path) -> None:
    """Words keep their accents, and are scored as they are learnt."""
    ran = written(data_dir, tmp_path, FRENCH, "metrics.tokenizer=words", *LEARNT)
    assert set(vocabulary(tmp_path)) == {"brûlée", "crème", "deux", "et", "garçons", "l", "une", "à", "école", "été"}
    assert json.loads((ran.folder / "metrics.json").read_text())["val/BLEU-1"] > 0.5
    (record, *_) = json.loads((ran.folder / "predictions_test.json").read_text(encoding="utf-8"))
    assert {"brûlée", "crème", "garçons", "à", "école", "été"} & set(record["caption"].split())
