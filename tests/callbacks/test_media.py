"""One small training under offline W&B, and what can be read back of it."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import wandb
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from matplotlib.figure import Figure
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger

from tests.running import only
from tests.wandb_file import read_config, read_history, read_records
from whysaid.callbacks.media import log_figures, log_table, thumbnails
from whysaid.data.captions.captioned_image import CaptionedImage
from whysaid.doors.train import train
from whysaid.figures.canvas import blank

CONF = str(Path(__file__).parents[2] / "conf")
IMAGES, STRIPS = 5, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The run directory of two epochs on 40 scenes."""
    root = tmp_path_factory.mktemp("run")
    small = [
        "data.source.counts={train: 40, val: 12, test: 8}",
        "data.source.size=48",
        "encoder.image_size=48",
        "encoder.widths=[4, 8, 8]",
        "model.embed_dim=16",
        "model.hidden_dim=16",
        "data.min_count=1",
        "data.batch_size=8",
        "data.num_workers=0",
        "trainer.max_epochs=2",
        "trainer.check_val_every_n_epoch=1",
        "trainer.log_every_n_steps=2",
        "trainer.enable_progress_bar=false",
        only("test", "BLEU", "CIDEr"),
        "decoding=greedy",
        f"callbacks.captions.images={IMAGES}",
        f"callbacks.attention.images={STRIPS}",
    ]
    places = [f"paths.data_dir={root}/data", f"hydra.runtime.output_dir={root}/out", "hydra.job.num=0"]
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {"WANDB_MODE": "", "WANDB_DATA_DIR": f"{root}/staged", "WANDB_SILENT": "true"}.items():
            environment.setenv(name, value)
        environment.delenv("WANDB_MODE")  # set before, so that what the logger sets is undone
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", [*small, *places], return_hydra_config=True)
            HydraConfig.instance().set_config(config)
        del config.hydra
        (root / "out").mkdir()
        train(config, root / "out")
        wandb.finish()
    HydraConfig.instance().cfg = None
    return root / "out"


@pytest.fixture(scope="module")
def records(folder):
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    return list(read_records(path))


@pytest.fixture(scope="module")
def history(records):
    return read_history(records)


def rows_with(history, name):
    return [row for row in history if any(key == name or key.startswith(name + "/") for key in row)]


def media(folder, path):
    (file,) = folder.glob(f"wandb/offline-run-*/files/{path}")
    return file


def test_steps_never_decrease(history):
    steps = [row["trainer/global_step"] for row in history]
    assert steps == sorted(steps) and len(set(steps)) > 3
    assert [row["_step"] for row in history] == list(range(len(history)))


def test_scalars_and_configuration(history, records):
    assert len(rows_with(history, "train/word_presence")) >= 2
    assert len(rows_with(history, "val/CIDEr")) == 3
    assert len(rows_with(history, "test/CIDEr")) == 1
    config = read_config(records)
    assert config["seed"] == 42 and config["model"]["hidden_dim"] == 16


@pytest.mark.parametrize(("split", "times"), [("val", 3), ("test", 1)])
def test_caption_tables(folder, history, split, times):
    rows = rows_with(history, f"{split}/captions")
    scalars = rows_with(history, f"{split}/CIDEr")
    assert [row["trainer/global_step"] for row in rows] == [row["trainer/global_step"] for row in scalars]
    assert len(rows) == times
    table = json.loads(media(folder, rows[-1][f"{split}/captions/path"]).read_text())
    assert table["columns"][:4] == ["image", "image_id", "caption", "references"]
    assert {"CIDEr", "BLEU-4"} <= set(table["columns"])
    assert len(table["data"]) == IMAGES
    if split == "test":
        predictions = {p["image_id"]: p for p in json.loads((folder / "predictions_test.json").read_text())}
        for row in (dict(zip(table["columns"], values, strict=True)) for values in table["data"]):
            expected = predictions[row["image_id"]]
            assert row["caption"] == expected["caption"]
            assert row["references"].split("\n") == expected["references"]
            assert row["CIDEr"] == pytest.approx(expected["scores"]["CIDEr"])


def test_tables_show_the_same_images(folder, history):
    shown = []
    for row in rows_with(history, "val/captions"):
        table = json.loads(media(folder, row["val/captions/path"]).read_text())
        shown.append([line[table["columns"].index("image_id")] for line in table["data"]])
    assert shown[0] == shown[1]


def test_attention_strips(folder, history):
    rows = rows_with(history, "val/attention")
    assert len(rows) == 3
    ids = []
    for row in rows:
        names, captions = row["val/attention/filenames"], row["val/attention/captions"]
        ids.append(captions)
        assert len(names) == len(captions) == STRIPS
        assert all(Image.open(media(folder, name)).width <= 1600 for name in names)
    assert ids[0] == ids[1]
    assert {path.stem for path in folder.glob("figures/attention_*.png")} == set(ids[0])


def test_caption_sheet(folder, history):
    assert len(rows_with(history, "test/caption_sheet")) == 1
    assert Image.open(folder / "figures" / "captions_test.png").width > 1200


class Written(TensorBoardLogger):
    """TensorBoard without its package: keeps what it is told to write."""

    def __init__(self):
        self.images, self.texts = [], []

    @property
    def experiment(self):
        return SimpleNamespace(
            add_image=lambda name, array, step, dataformats: self.images.append((name, array.shape, step)),
            add_text=lambda name, text, step: self.texts.append((name, text, step)),
        )


def trainer(logger, is_global_zero=True):
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(_batches_that_stepped=7))
    return SimpleNamespace(loggers=[logger], is_global_zero=is_global_zero, fit_loop=loop)


def test_tensorboard_shows_figures_and_text(tmp_path):
    logger = Written()
    log_figures(trainer(logger), "val/x", {"one": blank(20, 1), "two": blank(1, 2)}, tmp_path)
    assert logger.images == [("val/x/one", (80, 1600, 3), 7), ("val/x/two", (240, 120, 3), 7)]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["one.png", "two.png"]
    photo = Image.new("RGB", (4, 4))
    log_table(trainer(logger), "val/t", ["image", "said", "score"], [[photo, "a | b\nc", 0.5], [photo, "d", None]])
    assert logger.texts == [("val/t", "| said | score |\n| --- | --- |\n| a \\| b<br>c | 0.5 |\n| d |  |", 7)]


def test_other_processes_and_other_loggers_get_nothing(tmp_path):
    logger = Written()
    log_figures(trainer(logger, is_global_zero=False), "val/x", {"one": Figure()}, tmp_path)
    log_table(trainer(logger, is_global_zero=False), "val/t", ["a"], [[1]])
    assert (logger.images, logger.texts, list(tmp_path.iterdir())) == ([], [], [])
    log_table(trainer(SimpleNamespace()), "val/t", ["a"], [[1]])


def test_thumbnails_are_small_and_skip_what_cannot_be_read(tmp_path):
    Image.fromarray(np.zeros((300, 900, 3), "uint8")).save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"torn")
    Image.fromarray(np.zeros((30, 20, 3), "uint8")).save(tmp_path / "3.png")
    images = [CaptionedImage(i, tmp_path / f"{i}.png", ()) for i in (2, 1, 3)]
    assert {i: photo.size for i, photo in thumbnails(images, 2).items()} == {1: (320, 107), 3: (20, 30)}
    assert list(thumbnails(images, 1)) == [1]
