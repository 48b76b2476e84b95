import torch

from tests.attribution.tiny import captioner, captions, lrp, photos
from whysaid.attribution.targets import Targets
from whysaid.models.encoders.scenes_cnn import ScenesCNN


def test_a_compiled_captioner_is_explained_as_it_is_written() -> None:
    """`task.compile=true` compiles `advance`, and a compiled backward cannot be batched over words."""
    torch.compiler.reset()  # whatever compiled it before counts against its limit
    model, targets = captioner("gridtd", ScenesCNN((4, 6), 8)).eval(), Targets(captions())
    plain = lrp().attribute(model, photos(8), targets)
    calls = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        calls.append(len(inputs))
        return graph

    model.advance = torch.compile(model.advance, backend=backend)  # type: ignore[method-assign]
    with torch.no_grad():
        model.unroll(targets.inputs(), model.encode(photos(8)))
    assert calls, "it was compiled before"
    compiled = len(calls)
    again = lrp().attribute(model, photos(8), targets)
    assert len(calls) == compiled
    assert plain.pixels is not None and again.pixels is not None
    torch.testing.assert_close(again.pixels, plain.pixels, rtol=0, atol=0)
    torch.testing.assert_close(again.words, plain.words, rtol=0, atol=0)
