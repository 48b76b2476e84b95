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
# # Start here
#
# A captioner says what is in a picture, and whysaid shows what each word rests on. Run `make train` first: it leaves a
# captioner of the drawn world *Scenes* in `outputs/train/`, and pictures of that world in `data/scenes/`. Start Jupyter
# in the folder that holds both, or give paths of your own in the next cell.

# %%
from glob import glob

import matplotlib.pyplot as plt
import numpy as np

import whysaid
from whysaid.data.images import load_image
from whysaid.figures.overlay import overlay, soften

ckpt = max(glob("outputs/train/*/checkpoints/best.ckpt"))
photo = load_image(sorted(glob("data/scenes/test2017/*"))[0])  # or a photo of your own

# %% [markdown]
# Two calls give the caption and a map for each of its words. `maps` is an array (T, H, W): T words, and the height and
# width of the photo. `residual` is the part of each word's score that the method does not attribute.

# %%
subject = whysaid.load(ckpt)
explanation = subject.explain(photo, method="lrp")
print(explanation.caption)
print(explanation.maps.shape, "largest residual, in logits:", np.abs(explanation.residual).max())

# %% [markdown]
# Red speaks for the word, and blue against it.

# %%
image, maps = np.asarray(photo) / 255, soften(explanation.maps)
figure, axes = plt.subplots(1, len(explanation.words), figsize=(2 * len(explanation.words), 2.4), squeeze=False)
for axis, word, heat in zip(axes[0], explanation.words, maps, strict=True):
    axis.imshow(overlay(image, heat, signed=explanation.signed))
    axis.set_title(word)
    axis.set_axis_off()

# %% [markdown]
# The earlier words speak, too. Each row is an explained word, each column a word that was read before.

# %%
words = explanation.word_relevance
figure, axis = plt.subplots(figsize=(6, 5))
limit = np.abs(words).max()
axis.imshow(words, cmap="RdBu_r", vmin=-limit, vmax=limit)
axis.set_xticks(range(len(explanation.read)), explanation.read, rotation=60)
axis.set_yticks(range(len(explanation.words)), explanation.words)
axis.set_xlabel("word that was read")
axis.set_ylabel("word that is explained")

# %% [markdown]
# Other methods have other names, those of `conf/attribution`, and any sentence of known words can be explained.

# %%
other = subject.explain(photo, method="grad_cam", caption=explanation.caption)
agreement = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(explanation.maps, other.maps, strict=True)]
for word, correlation in zip(explanation.words, agreement, strict=True):
    print(f"{word:>12}  correlation of LRP and Grad-CAM {correlation:+.2f}")
