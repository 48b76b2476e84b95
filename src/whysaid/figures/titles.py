"""How what has a short name in configurations is written for people."""

import re

TITLES = {
    "lrp": "LRP",
    "lrp_cp": "CP-LRP",
    "lrp_attn": "AttnLRP",
    "attention_grad_cam": "Grad-CAM on attention",
    "lrp_epsilon": "LRP, ε-rule",
    "lrp_gamma": "LRP, γ-rule",
    "lrp_alpha2_beta1": "LRP, α2β1-rule",
    "deconvnet": "DeconvNet",
    "deconv_net": "DeconvNet",
    "input_x_gradient": "input × gradient",
    "grad_cam": "Grad-CAM",
    "guided_grad_cam": "Guided Grad-CAM",
    "guided_backprop": "Guided Backprop",
    "smooth_grad": "SmoothGrad",
    "scst": "SCST",
    "nsc": "NSC",
    "lrp_scst": "LRP-SCST",
}
"""Of what has a name of its own; the others' underscores become spaces."""


def title(name: str) -> str:
    """A name for people: `grad_cam` is Grad-CAM. Of such a name, the name itself."""
    return TITLES.get(name, name.replace("_", " "))


def title_of(thing: object) -> str:
    """The name for people of what an object is by its class: a `GuidedGradCam` is Guided Grad-CAM."""
    return title(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(thing).__name__).lower())
