"""AttnLRP and CP-LRP against LXT, the code of their authors, which patches the classes of a model and leaves ε out."""

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from torchvision.models import vision_transformer
from transformers import pytorch_utils
from transformers.models.llama import modeling_llama

from tests.attribution.test_transformer_rules import leaf
from whysaid.attribution.lrp import rules
from whysaid.attribution.lrp.composite import Composite
from whysaid.attribution.lrp.transformer_rules import Softmax

pytest.importorskip("lxt", reason="LXT is not installed")

PATCHED = [
    *((getattr(modeling_llama, name), "forward") for name in ("LlamaMLP", "LlamaRMSNorm")),
    *((modeling_llama, name) for name in ("eager_attention_forward", "ALL_ATTENTION_FUNCTIONS")),
    *((module, "forward") for module in (nn.Dropout, nn.GELU, nn.LayerNorm, nn.MultiheadAttention)),
]
"""All that LXT changes for the models below."""


@pytest.fixture
def lxt(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """LXT, and none of its patches afterwards; it asks transformers for a name that the newest has no more."""
    monkeypatch.setattr(pytorch_utils, "find_pruneable_heads_and_indices", None, raising=False)
    for owner, name in PATCHED:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    yield importlib.import_module("lxt.efficient")
    for module in (nn.GELU, nn.MultiheadAttention):
        if "original_forward" in vars(module):
            del module.original_forward  # type: ignore[attr-defined]


def gradient_times_input(score: Tensor, *leaves: Tensor) -> list[Tensor]:
    return [x.detach() * g for x, g in zip(leaves, torch.autograd.grad(score, leaves), strict=True)]


def ours(softmax: Softmax) -> Composite:
    rule = rules.epsilon(1e-13)
    return Composite(rule, rule, rule, softmax=softmax)


def test_attnlrp_of_a_llama_is_that_of_lxt(lxt: Any) -> None:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=11,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        attn_implementation="eager",
    )
    model = transformers.LlamaForCausalLM(config).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    words = leaf(2, 5, 8)
    with ours("gradient").applied_behind(model):
        logits = model(inputs_embeds=words, use_cache=False).logits
    (heat,) = gradient_times_input(logits[:, -1, 3].sum(), words)
    plain = gradient_times_input(model(inputs_embeds=words, use_cache=False).logits[:, -1, 3].sum(), words)[0]

    # LXT's dictionary of attention functions is not what the newest transformers asks for: its wrapper is
    patches, llama = (importlib.import_module(f"lxt.efficient.{name}") for name in ("patches", "models.llama"))
    lxt.monkey_patch(modeling_llama, {key: patch for key, patch in llama.attnLRP.items() if key is not modeling_llama})
    wrapped = patches.wrap_attention_forward(modeling_llama.eager_attention_forward)
    modeling_llama.eager_attention_forward = wrapped  # type: ignore[assignment]
    theirs = model(inputs_embeds=words, use_cache=False).logits
    (expected,) = gradient_times_input(theirs[:, -1, 3].sum(), words)
    # LXT computes the norm in float32
    torch.testing.assert_close(logits, theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(heat, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(plain, expected, rtol=1e-1)


def test_cp_lrp_of_a_vision_transformer_is_that_of_lxt(lxt: Any) -> None:
    torch.manual_seed(0)
    model = vision_transformer.VisionTransformer(8, 4, 2, 2, 8, 16, num_classes=5).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    images = leaf(2, 3, 8, 8)
    with ours("constant").applied_behind(model):
        logits = model(images)
    (heat,) = gradient_times_input(logits[:, 3].sum(), images)
    plain = gradient_times_input(model(images)[:, 3].sum(), images)[0]

    lxt.monkey_patch(vision_transformer)
    theirs = model(images)
    (expected,) = gradient_times_input(theirs[:, 3].sum(), images)
    torch.testing.assert_close(logits, theirs, rtol=0, atol=1e-9)
    torch.testing.assert_close(heat, expected, rtol=1e-6, atol=1e-9)
    assert not torch.allclose(plain, expected, rtol=1e-1)
