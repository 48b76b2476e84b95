"""The inpainting GAN through the doors."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from tests.run.test_resume import assert_same_run, history, load, stop_at
from tests.running import SIZE, run_door
from tests.wandb_file import read_history, read_records

FACES = Path(__file__).parents[2] / "shared/data/celeba_small"
PHOTOS = Path(__file__).parents[2] / "shared/data/coco_small"

SMALL = (
    "data.framing.size=24",
    "data.eval_batch_size=8",
    "data.num_workers=0",
    "model.generator.widths=[2, 2, 4]",
    "model.generator.dilations=[2]",
    "model.discriminator.widths=[4, 4]",
    "callbacks.metrics.features=null",
    "callbacks.metrics.lpips=null",
    "callbacks.metrics.biharmonic=2",
    "callbacks.samples.images=1",
    "trainer.precision=32-true",
    "logger=none",
    "trainer.enable_progress_bar=false",
)
"""What makes any training of the GAN small."""

SCENES = (
    "experiment=deepfill_scenes",
    *SMALL,
    "data.source.counts={train: 48, val: 16, test: 16}",
    f"data.source.size={SIZE}",
    "data.masks.shapes.objects.outlines.limit=20",
    "data.removed.limit=6",
    "data.batch_size=4",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=1",
    "callbacks.last.every_n_train_steps=5",
)
"""12 generator steps an epoch, of which 5 is no divisor."""


@pytest.fixture(scope="module")
def whole(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happened to."""
    outputs = tmp_path_factory.mktemp("inpainting")
    ran = run_door("train", *SCENES, f"paths.data_dir={data_dir}", f"paths.output_dir={outputs}", "logger=wandb")
    return ran.folder


def metrics_of(folder: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    return metrics


def test_what_a_run_leaves_behind(whole: Path) -> None:
    metrics = metrics_of(whole)
    scores = {f"test/{name}" for name in ("L1", "L1_hole", "PSNR", "SSIM", "L1_hole_mean_fill", "L1_hole_biharmonic")}
    scores |= {name.replace("test/", "test/removed_") for name in scores} | {"val/L1_hole", "train/G_loss"}
    assert scores <= metrics.keys() and any(name.startswith("test/PSNR_") for name in metrics)
    figures = {path.name for path in (whole / "figures").iterdir()}
    assert figures == {"inpainted_val.png", "inpainted_test.png", "removed_test.png"}
    checkpoint = load(whole)
    assert checkpoint["config"]["assemble"] == "whysaid.assemble.inpainting"
    assert {name.partition(".")[0] for name in checkpoint["state_dict"]} == {"generator", "discriminator", "average"}


def test_steps_are_the_generator_s(whole: Path) -> None:
    assert load(whole)["global_step"] == 24
    rows = history(whole)
    assert [int(row["step"]) for row in rows if row["train/G_loss"]] == list(range(24))
    assert [int(row["step"]) for row in rows if row["val/L1_hole"]][:2] == [11, 23]


def test_the_best_is_the_lowest(whole: Path) -> None:
    scores = [float(row["val/L1_hole"]) for row in history(whole) if row["val/L1_hole"]][:2]
    assert load(whole, "best")["global_step"] == 12 * (1 + scores.index(min(scores)))
    assert metrics_of(whole)["val/L1_hole"] == pytest.approx(min(scores), abs=1e-6)


def test_pictures_are_in_the_wandb_file(whole: Path) -> None:
    (path,) = (whole / "wandb").glob("offline-run-*/*.wandb")
    logged = read_history(list(read_records(path)))
    names = {name for row in logged for name in row}
    assert {f"{name}/filenames" for name in ("val/inpainted", "test/inpainted", "test/removed")} <= names
    assert {f"val/{name}" for name in ("L1", "L1_hole", "PSNR", "SSIM")} | {"train/G_loss", "train/D_loss"} <= names


@pytest.mark.parametrize(("every", "stops"), [(11, [13]), (5, [8, 19])])
def test_killed_and_continued(
    places: list[str],
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every: int,
    stops: Sequence[int],
) -> None:
    folder = tmp_path / "run"
    settings = [*SCENES, *places, "callbacks.samples=null", f"hydra.run.dir={folder}"]
    settings.append(f"callbacks.last.every_n_train_steps={every}")
    stop_at(monkeypatch, stops[0], *settings)
    assert load(folder)["global_step"] <= stops[0]
    for stop in stops[1:]:
        stop_at(monkeypatch, stop, f"resume={folder}")
    assert run_door("train", f"resume={folder}").folder == folder
    assert_same_run(folder, whole)
    torch.testing.assert_close(load(folder)["optimizer_states"], load(whole)["optimizer_states"], atol=0, rtol=0)


def test_two_processes_train_what_one_does(places: list[str], tmp_path: Path) -> None:
    """Four pictures to each of two processes, or eight to one: the same steps of both models and of the average."""
    settings = [*SCENES, *places, "trainer.max_epochs=1", "test=false", "callbacks.samples=null"]
    settings += ["~optimizer.betas", "optimizer._target_=torch.optim.SGD", "optimizer.lr=0.1", "~scheduler"]
    settings += ["task.discriminator_lr=0.1", "task.ema=0.5"]
    two = ["data.batch_size=4", "trainer=ddp_cpu", "trainer.strategy=ddp_fork_find_unused_parameters_true"]
    alone, together = (
        load(run_door("train", *settings, f"hydra.run.dir={tmp_path}/{name}", *more).folder)
        for name, more in (("alone", ["data.batch_size=8"]), ("together", two))
    )
    assert alone["global_step"] == together["global_step"] == 6
    # six steps on half of the pictures come 1.6e-2 away
    torch.testing.assert_close(together["state_dict"], alone["state_dict"], atol=1e-5, rtol=0)


def test_evaluation_repeats_the_test(whole: Path, places: list[str]) -> None:
    given = [f"ckpt={whole}/checkpoints/best.ckpt", "logger=none", "trainer.enable_progress_bar=false", *places]
    kept = ["~metrics", "callbacks=inpainting_evaluation", *SMALL[6:10]]
    folder = run_door("evaluate", *given, *kept).folder
    own = {name: value for name, value in metrics_of(whole).items() if name.startswith("test/")}
    assert metrics_of(folder) == pytest.approx(own, abs=1e-6)
    assert (folder / "figures/removed_test.png").is_file()
    assert OmegaConf.load(folder / "config.yaml").data.framing.size == 24


def test_evaluation_chooses_its_own_callbacks(whole: Path, places: list[str]) -> None:
    """Without being told; on another split, with fewer pictures."""
    given = [f"ckpt={whole}/checkpoints/best.ckpt", "split=val", "data.limits={val: 4}", "debug=fast_dev_run"]
    metrics = metrics_of(run_door("evaluate", *given, "logger=none", *places).folder)
    assert {"val/L1_hole", "val/FID", "val/removed_L1_hole"} <= metrics.keys()
    assert not any(name.startswith("test/") for name in metrics)


def test_training_starts_from_a_checkpoint(whole: Path, places: list[str]) -> None:
    settings = [
        *SCENES,
        *places,
        f"ckpt={whole}/checkpoints/last.ckpt",
        "optimizer.lr=1e-30",
        "task.ema=0.0",
        "callbacks.samples=null",
    ]
    started = load(run_door("train", *settings, "trainer.max_epochs=1", "test=false").folder)["state_dict"]
    kept = load(whole)["state_dict"]
    for name, value in started.items():
        if name.startswith("generator."):
            averaged = kept[name.replace("generator.", "average.module.")]
            torch.testing.assert_close(value, averaged, atol=1e-6, rtol=0)


@pytest.fixture(scope="module")
def faces(data_dir: Path) -> None:
    """Twelve noisy faces in CelebA's layout."""
    folder = data_dir / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    lines = []
    for i in range(12):
        Image.effect_noise((35, 43), 60).convert("RGB").save(folder / f"{i:06d}.jpg")
        lines.append(f"{i:06d}.jpg {max(0, i - 9)}")
    (folder.parent / "list_eval_partition.txt").write_text("\n".join(lines))


DEV = {
    "scenes": SCENES[len(SMALL) + 1 :],
    "coco": ("data.source.train=null", "data.source.val=8"),
    "celeba": ("data.framing.resize=[1.0, 1.3]",),
}


@pytest.mark.parametrize("name", DEV)
def test_every_experiment_runs(name: str, faces: None, data_dir: Path, places: list[str]) -> None:
    root = [f"data.root={data_dir}/scenes"] if name == "coco" else []
    settings = [f"experiment=deepfill_{name}", "debug=fast_dev_run", *SMALL, *places, *root, *DEV[name]]
    metrics = metrics_of(run_door("train", *settings).folder)
    assert {"val/L1_hole", "test/L1_hole", "test/SSIM"} <= metrics.keys()
    assert ("test/removed_L1_hole" in metrics) == (name == "scenes")


@pytest.mark.parametrize("name", ["coco", "celeba"])
def test_on_real_pictures(name: str, places: list[str]) -> None:
    root = {"coco": PHOTOS, "celeba": FACES}[name]
    if not root.exists():
        pytest.skip(f"needs ../shared/data/{root.name}")
    own = ["data.source.train=null", "data.source.val=200", "data.masks.shapes.objects.outlines.limit=20"]
    split = own if name == "coco" else []
    settings = [f"experiment=deepfill_{name}", "preset=inpainting_64", *SMALL[2:], f"data.root={root}", *split]
    metrics = metrics_of(run_door("train", *settings, "debug=fast_dev_run", *places).folder)
    assert metrics["test/PSNR"] > 5


def test_any_folder_of_images(faces: None, data_dir: Path, places: list[str]) -> None:
    root = ["data=image_folder", f"data.root={data_dir}/celeba/img_align_celeba", "data.source.test=0.3"]
    settings = ["experiment=deepfill_celeba", *SMALL, *places, *root, "data.source.val=0.3", "data.framing.resize=null"]
    assert "test/L1" in metrics_of(run_door("train", *settings, "debug=fast_dev_run").folder)


def test_prepare_counts_faces_or_says_where_to_get_them(faces: None, places: list[str], tmp_path: Path) -> None:
    out = run_door("prepare", "data=celeba", *places).out
    assert all(number in out for number in ("train", "10", "val", "test"))
    error = run_door("prepare", "data=celeba", f"paths.data_dir={tmp_path}", f"paths.output_dir={tmp_path}").error
    assert "mmlab.ie.cuhk.edu.hk" in error and "img_align_celeba" in error


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.gradient_clip_val=1.0", "task.gradient_clip"),
        ("trainer.accumulate_grad_batches=2", "data.batch_size"),
        ("model.generator.widths=[2, 4]", "three widths"),
        ("ckpt=nowhere.ckpt", "there is no checkpoint nowhere.ckpt"),
        ("data.root=nowhere", "nowhere"),
    ],
)
def test_bad_settings(override: str, message: str, places: list[str]) -> None:
    settings = ["experiment=deepfill_coco", *SMALL, *places, override]
    assert message in run_door("train", *settings).error


def test_checkpoints_of_another_kind(whole: Path, finished: Path, places: list[str]) -> None:
    captioner, own = f"{finished}/checkpoints/best.ckpt", f"{whole}/checkpoints/best.ckpt"
    assert "no weights of a generator" in run_door("train", *SCENES, *places, f"ckpt={captioner}").error
    wider = [*SCENES, *places, f"ckpt={own}", "model.generator.widths=[4, 4, 8]"]
    assert "does not fit this model" in run_door("train", *wider).error
    assert "no ensemble" in run_door("evaluate", f"ckpt=[{own},{own}]", *places, "logger=none").error
    assert "know no cache_dir" in run_door("evaluate", f"ckpt={own}", "data.cache_dir=x", *places, "logger=none").error
