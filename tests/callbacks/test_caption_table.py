"""Captions in a table and on a sheet."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from whysaid.callbacks import caption_table
from whysaid.callbacks.caption_metrics import CaptionMetrics
from whysaid.callbacks.caption_table import CaptionTable
from whysaid.callbacks.unsupported import hallucinated, miscoloured, unsupported
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.data.object_words import coco_objects
from whysaid.errors import UserError
from whysaid.metrics.scorer import Scores


@pytest.mark.parametrize(
    ("caption", "references", "wrong"),
    [
        ("a dog and a cat", ["a puppy sleeps"], {"cat"}),
        ("a man eating a hot dog", ["a boy eats"], {"hot", "dog"}),
        ("a cat and a cat", ["a dog"], {"cat"}),
        ("two dogs", ["one dog"], set()),
        ("the sky", ["a dog"], set()),
        ("", ["a dog"], set()),
    ],
)
def test_unsupported_words(caption, references, wrong):
    positions = hallucinated(caption, references, coco_objects())
    assert positions == {i for i, word in enumerate(caption.split()) if word in wrong}


@pytest.mark.parametrize(
    ("caption", "references", "wrong"),
    [
        ("a red dog and a black cat", ["a brown dog", "a dog"], {"red"}),
        ("a small gray dog", ["a grey dog"], set()),
        ("a red dog", ["a dog"], set()),
        ("a red dog", ["a red cat and a blue dog"], {"red"}),
        ("a Red dog", ["a red dog"], set()),
        ("red", ["a blue dog"], set()),
    ],
)
def test_wrong_colours_of_objects_that_are_there(caption, references, wrong):
    positions = miscoloured(caption, references, coco_objects())
    assert positions == {i for i, word in enumerate(caption.split()) if word in wrong}


def test_data_without_objects_have_no_wrong_words():
    assert unsupported("a red cat", ["a dog and a black cat"], None) == (set(), set())
    assert unsupported("a red cat", [], coco_objects()) == (set(), set()), "nobody tells what is there"


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A trainer after a test in which images 2, 3 and 4 of four were captioned, and what the callback logs."""
    for i in range(1, 5):
        Image.fromarray(np.zeros((20, 30, 3), "uint8")).save(tmp_path / f"{i}.png")
    images = [CaptionedImage(i, tmp_path / f"{i}.png", (f"a dog {i}", "a dog")) for i in range(1, 5)]
    metrics = CaptionMetrics([], [], str(tmp_path), str(tmp_path))
    metrics.captions = {4: "four", 3: "a cat", 2: "a dog"}
    metrics.scores = Scores(per_image={"CIDEr": {2: 1.5, 3: 0.0, 4: 0.5}, "SPICE": {2: 0.25}})
    data = SimpleNamespace(
        images=lambda split: images,
        references=lambda split: {image.id: list(image.captions) for image in images},
        object_words=coco_objects(),
        evaluated="test",
    )
    tables, sheets = [], []
    monkeypatch.setattr(caption_table, "log_table", lambda trainer, *table: tables.append(table))
    monkeypatch.setattr(caption_table, "log_figures", lambda trainer, name, figures, folder: sheets.append(figures))
    trainer = SimpleNamespace(
        callbacks=[CaptionTable(str(tmp_path)), metrics], datamodule=data, is_global_zero=True, sanity_checking=False
    )
    return SimpleNamespace(trainer=trainer, tables=tables, sheets=sheets, folder=str(tmp_path))


def test_rows_are_the_first_captioned_images_with_their_scores(shown):
    CaptionTable(shown.folder, images=2).on_test_end(shown.trainer, None)
    ((name, columns, rows),) = shown.tables
    assert name == "test/captions"
    assert columns == ["image", "image_id", "caption", "references", "CIDEr", "SPICE"]
    assert [row[1:] for row in rows] == [
        [2, "a dog", "a dog 2\na dog", 1.5, 0.25],
        [3, "a cat", "a dog 3\na dog", 0.0, None],
    ]
    ((stem, sheet),) = shown.sheets[0].items()
    assert stem == "captions_test"
    assert {"CIDEr 1.50", "CIDEr 0.00"} <= {text.get_text() for text in sheet.texts}
    assert [text.get_text() for text in sheet.texts if text.get_weight() == "bold"] == ["cat", "word"]


def test_an_evaluation_names_the_split_it_ran_on(shown):
    shown.trainer.datamodule.evaluated = "val"
    CaptionTable(shown.folder).on_test_end(shown.trainer, None)
    assert shown.tables[0][0] == "val/captions" and list(shown.sheets[0]) == ["captions_val"]


@pytest.mark.parametrize("change", [{"is_global_zero": False}, {"sanity_checking": True}])
def test_silent_on_other_processes_and_before_training(shown, change):
    vars(shown.trainer).update(change)
    CaptionTable(shown.folder).on_validation_end(shown.trainer, None)
    assert shown.tables == []


def test_needs_caption_metrics(shown):
    shown.trainer.callbacks = []
    with pytest.raises(UserError, match=r"callbacks\.metrics"):
        CaptionTable(shown.folder).setup(shown.trainer, None, "fit")
