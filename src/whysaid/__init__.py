"""whysaid: train vision-language models, show why they said each word, make them hallucinate less.

The face of the library::

    import whysaid

    subject = whysaid.load("outputs/train/…/checkpoints/best.ckpt")
    explanation = subject.explain("photo.jpg", method="lrp")

The attribution methods below explain any model of the contract in `whysaid.models.explainable`. What is named here is
imported when it is first asked for, so that `import whysaid` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whysaid.assemble import load as load
    from whysaid.assemble.subject import PhotoExplanation as PhotoExplanation
    from whysaid.assemble.subject import Subject as Subject

_HOMES = {
    "load": "assemble",
    "__version__": "version",
    "Subject": "assemble.subject",
    "PhotoExplanation": "assemble.subject",
    "UserError": "errors",
    "Explainable": "models.explainable",
    "Targets": "attribution.targets",
    "Explanation": "attribution.method",
    "LRP": "attribution.lrp.lrp",
    "Composite": "attribution.lrp.composite",
    "Saliency": "attribution.gradient.simple",
    "InputXGradient": "attribution.gradient.simple",
    "DeconvNet": "attribution.gradient.guided",
    "GuidedBackprop": "attribution.gradient.guided",
    "GradCam": "attribution.gradient.grad_cam",
    "GuidedGradCam": "attribution.gradient.grad_cam",
    "IntegratedGradients": "attribution.gradient.integrated",
    "SmoothGrad": "attribution.gradient.smooth",
    "Occlusion": "attribution.occlusion",
    "Attention": "attribution.looking.attention",
    "Sentinel": "attribution.looking.sentinel",
    "AttentionRollout": "attribution.looking.rollout",
    "GradientAttention": "attribution.looking.gradient_attention",
    "AttentionGradCam": "attribution.looking.gradient_attention",
    "TokenActivation": "attribution.token_activation",
}
"""Name → the module of this package that it stands in."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Imports one of the names above."""
    if name not in _HOMES:
        raise AttributeError(f"module 'whysaid' has no attribute {name!r}")
    return getattr(import_module(f"whysaid.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
