"""Whole models that see photos, and every method in a small size, for tests of the methods beside LRP."""

import torch

from tests.attribution.tiny import ENCODERS, captioner, photos
from whysaid.attribution.gradient.grad_cam import GradCam, GuidedGradCam
from whysaid.attribution.gradient.guided import DeconvNet, GuidedBackprop
from whysaid.attribution.gradient.integrated import IntegratedGradients
from whysaid.attribution.gradient.simple import InputXGradient, Saliency
from whysaid.attribution.gradient.smooth import SmoothGrad
from whysaid.attribution.looking.attention import Attention
from whysaid.attribution.looking.sentinel import Sentinel
from whysaid.attribution.method import Method
from whysaid.attribution.occlusion import Occlusion
from whysaid.attribution.token_activation import TokenActivation
from whysaid.models.captioner import Captioner

GRADIENTS: dict[str, Method] = {
    "saliency": Saliency(),
    "input_x_gradient": InputXGradient(),
    "deconvnet": DeconvNet(),
    "guided_backprop": GuidedBackprop(),
    "grad_cam": GradCam(),
    "guided_grad_cam": GuidedGradCam(),
}
"""One forward and three backwards of the encoder in all."""

METHODS: dict[str, Method] = {
    **GRADIENTS,
    "attention": Attention(),
    "sentinel": Sentinel(),
    "integrated_gradients": IntegratedGradients(steps=3),
    "smooth_grad": SmoothGrad(draws=3),
    "occlusion": Occlusion(window=6, stride=5),
    "token_activation": TokenActivation(),
}
"""All of them; the model needs a sentinel."""


def sighted(name: str, eyes: str) -> tuple[Captioner, int]:
    """A captioner whose encoder has a grid, and the side of its images, pixels."""
    make, side = ENCODERS[eyes]
    torch.manual_seed(0)  # of the encoder, whatever ran before
    model = captioner(name, make())
    cells = model.encoder.eval()(photos(side)).values.shape[1]
    model.encoder.grid = (int(cells**0.5), int(cells**0.5))
    return model, side
