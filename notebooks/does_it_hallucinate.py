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
# # Does it hallucinate?
#
# A captioner names what usually comes together, whether the picture shows it or not. This notebook measures how often
# (CHAIR), tells how likely each named object is there (support), and asks what a lower CHAIR costs (the frontier).
#
# Run `make train` first: it leaves a captioner of the drawn world *Scenes* in `outputs/train/`. In that world's test
# split, objects no longer come in the pairs that training showed, so that habits of language are caught.

# %%
from glob import glob
from pathlib import Path

import matplotlib.pyplot as plt

import whysaid
from whysaid.assemble.captioning import build_writer
from whysaid.assemble.parts import make_stored
from whysaid.attribution.support.words import doubtful_words
from whysaid.data.captions.datamodule import CaptionData
from whysaid.data.images import load_image
from whysaid.metrics.hallucination import Hallucination, hallucination_scores
from whysaid.studies.hallucination.study import HallucinationRates
from whysaid.studies.hallucination.systems import say

IMAGES = 60  # of the test split; more make the intervals narrower

ckpt = max(glob("outputs/train/*/checkpoints/best.ckpt"))
subject = whysaid.load(ckpt)
stored = subject.checkpoint.parts("data", "decoding")
data = make_stored(subject.checkpoint, stored.data, CaptionData, "data", evaluated="test")
writer, data = build_writer(ckpt, data, stored.decoding, {})

# %% [markdown]
# ## CHAIR: how many of the named objects are not there
#
# `CHAIRi` is the share of named objects that are not in the picture, `CHAIRs` the share of captions that name such an
# object (Rohrbach et al. 2018). Both are better when they are lower. `object_recall` is the share of the objects in the
# pictures that the captions name. An object is in a picture if one of its reference captions names it.

# %%
metric = Hallucination(data.object_words)
captions = {i: said.caption for i, said in say(writer, data, IMAGES, seed=0, batch_size=IMAGES).items()}
records = metric.records(captions, data.references("test"))
for record in records[:5]:
    print(f"{record['caption']}\n    not there: {', '.join(record['hallucinated']) or 'nothing'}")
for name in ("CHAIRi", "CHAIRs", "object_recall"):
    score = hallucination_scores(records).get(name)
    print(f"{name:>14}: {'no object is named' if score is None else f'{score.corpus:.3f}'}")

# %% [markdown]
# ## Support: how likely is it that an object is there
#
# CHAIR needs to know what the picture shows. Support does not: it is a probability that a regression on three scores
# gives. These are the log-probability of the word, what the picture adds to that, and the largest relevance by LRP.
# It is fitted once for a checkpoint, and put beside it:
#
# `python -m src.evaluate ckpt=PATH study=support`
#
# Here is the support of the objects of two captions: of the captioner's own, and of one that names an object which is
# there and then one which is not. A calibrated support of 0.7 is right in 7 of 10 cases, so that a high one is no
# proof. Words below 0.5 are doubtful: `explain` and the app warn of them.

# %%
record = next(record for record in records if record["present"])
there = record["present"][0]
absent = next(name for name in data.object_words.categories if name not in record["present"])
photo = load_image(next(image.path for image in data.images("test") if image.id == record["image_id"]))
figure, axes = plt.subplots(1, 3, figsize=(11, 3))
axes[0].imshow(photo)
axes[0].set_axis_off()
for axis, title, caption in zip(
    axes[1:], ("its own caption", "a given caption"), (None, f"a {there} and a {absent}"), strict=True
):
    explanation = subject.explain(photo, method="lrp", caption=caption)
    support = explanation.about.get("support")
    if support is None:
        print("nobody has fitted the support yet: run the command above, and then this cell again")
        break
    named = [(word, value) for word, value in zip(explanation.words, support, strict=True) if value is not None]
    colours = ["tab:red" if value < 0.5 else "tab:green" for _, value in named]
    axis.barh(range(len(named)), [value for _, value in named], color=colours)
    axis.set_yticks(range(len(named)), [word for word, _ in named])
    axis.axvline(0.5, color="grey", linestyle=":")
    axis.invert_yaxis()
    axis.set(xlim=(0, 1), xlabel="support", title=title)
    print(f"{explanation.caption}: doubtful: {', '.join(doubtful_words(explanation.words, support)) or 'nothing'}")
figure.tight_layout()

# %% [markdown]
# ## The frontier: what does a lower CHAIR cost
#
# Whoever says less errs less: CHAIR falls when captions are cut, or when their least probable object is dropped. So
# `study=hallucination` puts CHAIR beside recall, and beside such controls. Each point is one way to caption the same
# pictures, with its 95 % interval by bootstrap over pictures. To the right is better, and so is down. The dotted
# staircase is the frontier: no other point is better than its points in both. A method helps only where it lies below
# or to the right of the staircase that the controls make, by more than the intervals.

# %%
study = HallucinationRates(
    writer="whysaid.assemble.captioning.build_writer",
    ckpt=ckpt,
    decoding=stored.decoding,
    metric={"_target_": "whysaid.metrics.hallucination.Hallucination", "object_words": stored.data.object_words},
    controls={"cut": [6, 8, 10], "drop": [0.3, 0.6, 1.0], "temperature": [1.0]},
    images=IMAGES,
)
outcome = study(writer, data, Path())
for row in outcome.rows:
    chair, recall = (f"{row[name]:.3f}" if row[name] is not None else "none" for name in ("CHAIRi", "object_recall"))
    print(f"{row['row']:>16}: CHAIRi {chair}, recall {recall}, words {row['length']:.1f}, {row['verdict'] or ''}")
outcome.figures[""]

# %% [markdown]
# A row of your own, such as a tuned checkpoint or another decoding, is one line: `rows={"tuned": {"ckpt": PATH}}`, or
# `rows={"vcd": {"decoding": {"contrast": …}}}`. The last column says whether its CHAIR is surely lower at no lower
# recall. From the command line, `python -m src.evaluate ckpt=PATH study=hallucination` does the same for the whole
# split; docs/hallucination.md tells how to decode and to train against hallucination.
