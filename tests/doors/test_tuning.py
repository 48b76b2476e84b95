"""Captioners of transformers that are trained on, whole and by adapters of low rank."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.models.transformers.tiny import photos
from tests.running import QUICK, WORLD, composed, run_door
from whysaid.assemble.tuned import build_task, load_tuned
from whysaid.errors import UserError
from whysaid.models.transformers.load import load_pretrained
from whysaid.models.transformers.lora import add_lora, merge_lora
from whysaid.models.transformers.tuning import Tuning
from whysaid.run.config_file import resolved

Folder = Callable[[str], Path]

pytestmark = pytest.mark.usefixtures("plain_tokens")

FIGURES = [f"callbacks.{name}=null" for name in ("attention", "captions", "hallucination", "heat_maps")]
SHORT = [
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=2",
    "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=1",
]
LORA = ["model.lora.rank=2", "optimizer.lr=1e-1"]


def tuned(folder: Path, places: list[str], *settings: str) -> list[str]:
    """Arguments of a short training of the model in a folder on the embedded world."""
    return [
        *("experiment=blip_coco", "data=scenes", "metrics=scenes", f"model.pretrained={folder}"),
        *("decoding.max_length=6", "trainer.precision=32-true"),
        *(setting for setting in (*QUICK, *WORLD) if not setting.startswith(("model.", "encoder."))),
        *(*FIGURES, *SHORT, *settings, *places),
    ]


@pytest.fixture(scope="module")
def adapted(hub_folder: Folder, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a training by adapters. Read only."""
    places = [f"paths.data_dir={data_dir}", f"paths.output_dir={tmp_path_factory.mktemp('tuned')}"]
    return run_door("train", *tuned(hub_folder("blip"), places, *LORA)).folder


def test_adapters_are_trained_and_nothing_else(adapted: Path, hub_folder: Folder) -> None:
    captioner = load_tuned(adapted)[0].model
    before = load_pretrained(str(hub_folder("blip"))).model.state_dict()
    changed = {name: value for name, value in captioner.state_dict().items() if "lora_" in name}
    for name, value in captioner.state_dict().items():
        if name not in changed:
            assert torch.equal(value, before[name.replace(".base_layer", "")]), name
    assert len(changed) >= 40 and all(value.any() for name, value in changed.items() if "lora_B" in name)


def test_the_folder_beside_a_checkpoint_is_the_same_model(adapted: Path) -> None:
    from transformers import BlipForConditionalGeneration

    captioner, folder = load_tuned(adapted)[0].model, adapted / "checkpoints" / "best"
    theirs = BlipForConditionalGeneration.from_pretrained(folder).eval()
    ours = load_pretrained(str(folder))
    tokens, images = torch.tensor([[1, 5, 6, 7]]), photos(1).float()
    with torch.no_grad():
        expected = captioner.unroll(tokens, captioner.encode(images)).logits  # type: ignore[operator]
        again = ours.model.unroll(tokens, ours.model.encode(images)).logits  # type: ignore[operator]
        logits = theirs(input_ids=ours.model.token_ids[tokens], pixel_values=images).logits  # type: ignore[index]
    torch.testing.assert_close(again, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits[..., ours.model.token_ids[:4]], expected[..., :4], atol=1e-4, rtol=1e-4)  # type: ignore[index]


def test_doors_take_the_checkpoint(adapted: Path, data_dir: Path, places: list[str]) -> None:
    ran = run_door("evaluate", f"ckpt={adapted}", "logger=none", "trainer.limit_test_batches=1", *places)
    own = json.loads((adapted / "metrics.json").read_text())
    found = json.loads((ran.folder / "metrics.json").read_text())
    assert found["test/CIDEr"] == pytest.approx(own["test/CIDEr"], abs=1e-6)
    photo = next((data_dir / "scenes" / "test2017").iterdir())
    ran = run_door("explain", f"ckpt={adapted}", f"image={photo}", "caption='a red ball'", "attribution=lrp", *places)
    (record,) = json.loads((ran.folder / "explanations.json").read_text())["explanations"]
    assert record["words"] == ["a", "red", "ball"]


@pytest.mark.parametrize("objective", ["xe", "scst", "nsc", "lrp", "lrp_context", "lrp_scst"])
def test_every_objective_trains_adapters_from_a_checkpoint(
    objective: str, adapted: Path, hub_folder: Folder, places: list[str], tmp_path: Path
) -> None:
    settings = [*LORA, f"objective={objective}", f"ckpt={adapted}"]
    if objective in ("scst", "nsc", "lrp_scst"):
        settings += ["objective.max_length=6"]
    config = composed("train", tmp_path, *tuned(hub_folder("blip"), places, *settings))
    task, data = build_task(config, resolved(config))
    captioner = task.single_captioner
    data.setup("fit")
    task.objective.prepare(captioner, data)
    loss, _ = task.objective(captioner, next(iter(data.train_dataloader())), 0)
    loss.backward()
    moved = {name for name, p in captioner.named_parameters() if p.grad is not None and p.grad.any()}
    assert len(moved) > 10 and all("lora_" in name for name in moved)


def test_all_weights_are_trained_with_less_memory(hub_folder: Folder, places: list[str]) -> None:
    settings = ["model.gradient_checkpointing=true", "optimizer.lr=1e-2", "task.encoder_lr=1e-2"]
    ran = run_door("train", *tuned(hub_folder("blip"), places, *settings))
    trained = load_pretrained(str(ran.folder / "checkpoints" / "best")).model.state_dict()
    before = load_pretrained(str(hub_folder("blip"))).model.state_dict()
    same = [name for name, value in trained.items() if value.ndim > 1 and torch.equal(value, before[name])]
    assert not [name for name in same if "position_ids" not in name]


@pytest.mark.parametrize("family", ["blip", "vit_gpt2"])
def test_gradients_are_the_same_when_activations_are_computed_once_more(hub_folder: Folder, family: str) -> None:
    gradients = []
    for again in (False, True):
        pretrained = load_pretrained(str(hub_folder(family)))
        captioner = Tuning(gradient_checkpointing=again).prepared(pretrained).double().train()
        for module in captioner.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        torch.manual_seed(0)
        for config in (captioner.pretrained.config, captioner.pretrained.config.get_text_config()):
            for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout"):
                if hasattr(config, name):
                    setattr(config, name, 0.0)
        features, tokens = captioner.encode(photos(2)), torch.tensor([[1, 5, 6, 7]]).expand(2, -1)
        captioner.unroll(tokens, features).logits.square().sum().backward()
        gradients.append({name: p.grad for name, p in captioner.named_parameters() if p.grad is not None})
        state = captioner.start(features)
        stepped = [captioner.step(tokens[:, t], state, features) for t in range(1)]
        assert stepped[0].logits.isfinite().all() and stepped[0].state[0][0].shape[2] == 1, "the cache is kept"
    assert gradients[0].keys() == gradients[1].keys()
    torch.testing.assert_close(gradients[0], gradients[1])


def test_adapters_change_nothing_at_first_and_are_added_to_the_weights(hub_folder: Folder) -> None:
    pretrained = load_pretrained(str(hub_folder("git")))
    captioner, tokens, images = pretrained.model, torch.tensor([[1, 5, 6]]), photos(1).float()

    def logits() -> torch.Tensor:
        with torch.no_grad():
            made: torch.Tensor = captioner.unroll(tokens, captioner.encode(images)).logits  # type: ignore[operator]
        return made

    plain = logits()
    names = add_lora(captioner.pretrained, 2, 4.0, 0.0)  # type: ignore[arg-type]
    assert len(names) > 10 and torch.equal(logits(), plain)
    for name, parameter in captioner.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    changed = logits()
    assert (changed - plain).abs().max() > 0.01
    merge_lora(captioner.pretrained)  # type: ignore[arg-type]
    torch.testing.assert_close(logits(), changed, atol=1e-4, rtol=1e-4)
    assert not any("lora" in name for name, _ in captioner.named_parameters())


@pytest.mark.parametrize(
    ("family", "settings", "says"),
    [
        ("blip", {"lora": {"rank": 0}}, "set a rank of at least 1"),
        ("git", {"gradient_checkpointing": True}, "set model.gradient_checkpointing=false"),
        ("llava", {}, "is a Llava, which is asked something and is not trained here"),
        ("vilt", {}, "is a Vilt, which is asked something and is not trained here"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    hub_folder: Folder, family: str, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        Tuning(**settings).prepared(load_pretrained(str(hub_folder(family))))  # type: ignore[arg-type]


def test_labels_are_not_joined_to_a_model_that_keeps_its_own_encoder(adapted: Path, places: list[str]) -> None:
    ran = run_door("train", *tuned(Path("x"), places, "objective=labels", f"ckpt={adapted}"))
    assert "objective=labels makes the encoder another one" in ran.error


def test_a_training_without_a_model_says_what_to_give(places: list[str]) -> None:
    ran = run_door("train", *[s for s in tuned(Path("x"), places) if not s.startswith("model.pretrained")])
    assert ran.code == 1 and "give model.pretrained=NAME_OR_FOLDER" in ran.err
