# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Explain a model of your own
#
# Every method of whysaid explains any model of one contract: an encoder that gives regions, and `project`, `embed`,
# `read` and `head`. Here is a whole captioner in thirty lines. It is small and untrained, since the contract is what
# this notebook is about: what it says makes no sense, and why it says it is exact.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn

import whysaid
from whysaid.data.images import Preprocessing
from whysaid.models.encoders.encoder import Encoder, Regions
from whysaid.models.explainable import Explainable, Reading
from whysaid.models.relevance import gate, share, tanh

# %% [markdown]
# The encoder turns images (B, 3, 56, 56) into 7 × 7 regions of 16 features.


# %%
class Patches(Encoder):
    dim, grid = 16, (7, 7)
    preprocessing = Preprocessing(size=56, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def __init__(self):
        super().__init__()
        self.patches = nn.Sequential(nn.Conv2d(3, self.dim, 8, stride=8), nn.ReLU())

    def forward(self, images):
        return Regions(self.patches(images).flatten(2).transpose(1, 2))


# %% [markdown]
# The captioner looks at the regions with what it has read so far. Three marks tell LRP what to do, and are the plain
# functions outside of an explanation: `gate` around attention weights, which count as constants; `share` around linear
# maps and sums, through which relevance is shared; and `tanh`.


# %%
class Captioner(Explainable):
    def __init__(self, words=20, width=12):
        super().__init__()
        self.encoder, self.embedding = Patches(), nn.Embedding(words, width)
        self.look, self.mix = nn.Linear(width, self.encoder.dim), nn.Linear(self.encoder.dim + width, width)
        self.vocabulary = nn.Linear(width, words)

    def project(self, regions, mask=None):
        return regions

    def read(self, embedded, regions):
        lengths = torch.arange(1, embedded.shape[1] + 1)[:, None]
        context = share(embedded.cumsum(1) / lengths)  # the mean of the words read so far
        attention = gate((self.look(context) @ regions.transpose(1, 2)).softmax(-1))
        seen = share(attention @ regions)
        return Reading(tanh(share(self.mix(torch.cat([seen, context], -1)))), attention, None)

    def head(self, output):
        return share(self.vocabulary(output))


# %% [markdown]
# `Targets` says which words are explained: here all four of one sentence, given by their indices. The relevance of all
# pixels and all words, and the residual, add up to the score.

# %%
torch.manual_seed(0)
model = Captioner().eval()
image = torch.rand(1, 3, 56, 56) * 2 - 1
sentence = torch.tensor([[5, 9, 7, 3]])
targets = whysaid.Targets(sentence)
explanation = whysaid.LRP().attribute(model, image, targets)
with torch.no_grad():
    logits = model.head(model.read(model.embed(targets.inputs()), model.encode(image)).output)
score = targets.scores(logits)
total = explanation.pixels.sum((2, 3, 4)) + explanation.words.sum(2) + explanation.residual
for t in range(4):
    print(f"word {t}: score {score[0, t]:+.4f}, relevance and residual together {total[0, t]:+.4f}")
assert torch.allclose(total, score, atol=2e-2)

# %% [markdown]
# The other methods take the same three arguments.

# %%
methods = {"LRP": whysaid.LRP(), "input × gradient": whysaid.InputXGradient(), "Grad-CAM": whysaid.GradCam()}
figure, axes = plt.subplots(1, 3, figsize=(9, 3))
for axis, (name, method) in zip(axes, methods.items(), strict=True):
    maps = method.attribute(model, image, targets)
    axis.imshow(maps.pixels[0, 1].sum(0).numpy(), cmap="RdBu_r")
    axis.set_title(f"{name}: word 1")
    axis.set_axis_off()

# %% [markdown]
# A captioner that is trained here, and searched by every decoding, is a `Captioner` of `whysaid.models.captioner`.
# It adds `start` and `step`. docs/extend.md tells how.
