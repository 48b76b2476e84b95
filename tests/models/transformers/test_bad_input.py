"""What cannot be loaded is refused by one line that says what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from whysaid.errors import UserError
from whysaid.models.transformers import load, size
from whysaid.models.transformers.load import load_pretrained

Folder = Callable[[str], Path]


@pytest.fixture
def copied(hub_folder: Folder, tmp_path: Path) -> Path:
    """A folder of BLIP to be spoiled."""
    return Path(shutil.copytree(hub_folder("blip"), tmp_path / "blip"))


def refused(name: str | Path, **options: str) -> str:
    """The one line of the refusal."""
    with pytest.raises(UserError) as refusal:
        load_pretrained(str(name), **options)  # type: ignore[arg-type]
    message = str(refusal.value)
    assert "\n" not in message and len(message) < 500
    return message


def configured(folder: Path, **changes: object) -> Path:
    """The folder, its configuration changed."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
    return folder


def test_a_folder_that_is_not_there() -> None:
    assert "there is no folder /no/such/folder" in refused("/no/such/folder")
    assert "there is no folder ./model" in refused("./model")


def test_a_name_that_cannot_be_reached_says_how_to_bring_it_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = refused("someone/never-seen")
    assert "`hf download someone/never-seen --local-dir FOLDER`" in message and "ckpt=hf:FOLDER" in message


def test_a_folder_without_its_parts(copied: Path) -> None:
    for name, says in (
        ("tokenizer.json", "has no tokenizer (tokenizer.json)"),
        ("processor_config.json", "has no image processor (preprocessor_config.json)"),
        ("model.safetensors", "has no model.safetensors"),
        ("config.json", "has no config.json"),
    ):
        (copied / name).unlink()
        assert says in refused(copied)


def test_pickled_weights(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    (copied / "pytorch_model.bin").write_bytes(b"anything")
    assert "has its weights pickled, and they are read from safetensors alone" in refused(copied)


def test_pickled_weights_of_a_trusted_author(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import load_file

    weights = load_file(copied / "model.safetensors")
    torch.save(weights, copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    monkeypatch.setenv("WHYSAID_TRUST_CHECKPOINTS", "1")
    own = load_pretrained(str(copied)).model.state_dict()
    assert torch.equal(
        own["encoder.vision.embeddings.class_embedding"], weights["vision_model.embeddings.class_embedding"]
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"architectures": ["FuyuForCausalLM"]}, "a family that cannot be explained"),
        ({"architectures": ["Custom"], "auto_map": {"AutoModel": "code.Custom"}}, "a family that cannot be explained"),
    ],
)
def test_a_model_of_no_known_family_lists_the_families(copied: Path, changes: dict[str, object], says: str) -> None:
    message = refused(configured(copied, **changes))
    assert says in message
    for family in ("Blip, ", "BlipForQuestionAnswering", "GitForCausalLM", "Llava, ", "ViltForQuestionAnswering"):
        assert family in message


def test_a_text_model(copied: Path) -> None:
    text = {"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_size": 8}
    (copied / "config.json").write_text(json.dumps(text), encoding="utf-8")
    assert "is a BertForMaskedLM, a text model that sees no photos: give a model of Blip" in refused(copied)


def test_code_beside_a_model_is_never_run(copied: Path) -> None:
    ran = copied / "ran"
    (copied / "code.py").write_text(f"open({str(ran)!r}, 'w')\nclass Custom: pass\n", encoding="utf-8")
    configured(copied, auto_map={"AutoConfig": "code.Custom", "AutoModel": "code.Custom"})
    load_pretrained(str(copied))
    assert not ran.exists()


def test_damaged_files(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "cannot be loaded" in refused(copied)
    weights.write_bytes(b"short")
    assert "is damaged or not whole" in refused(copied)
    (copied / "config.json").write_text("{", encoding="utf-8")
    assert "config.json is damaged" in refused(copied)


def test_missing_weights(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    weights.pop("vision_model.post_layernorm.weight")
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    assert "lacks weights of a BlipForConditionalGeneration, such as vision_model.post_layernorm" in refused(copied)


def test_the_size_is_named_before_a_model_too_large_is_loaded(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "free_memory", lambda device: 1000)
    monkeypatch.setattr(load, "build", lambda *arguments: pytest.fail("it was loaded"))
    numbers = size.parameter_count(copied)
    assert 5_000 < numbers < 50_000
    message = refused(copied)
    assert f"{numbers:,} weights" in message and "1,000 bytes of memory are free on cpu" in message


def test_half_precision_on_a_cpu_that_lacks_it(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert "this CPU does not compute in bfloat16" in refused(copied, dtype="bfloat16")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert load_pretrained(str(copied), dtype="bfloat16").model.embedding.weight.dtype == torch.bfloat16


def test_options_that_do_not_exist(copied: Path) -> None:
    assert "dtype=half is none of float32, bfloat16, float16" in refused(copied, dtype="half")
    assert "device=tpu9000" in refused(copied, device="tpu9000")
    if not torch.cuda.is_available():
        assert "asks for a GPU, and there is none here" in refused(copied, device="cuda")
