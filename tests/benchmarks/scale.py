"""What a data set as large as MSCOCO costs: each door in a process of its own, with its time, its memory and its disk.

`python -m tests.benchmarks.scale FOLDER` lays out 115,000 pictures of 256 pixels as train2017 and 5,000 as val2017
under FOLDER, with five captions each, runs the doors on them, and writes tests/benchmarks/results/scale.json. It takes
about 14 GB of disk and half an hour. What was laid out or cached is used again. A second argument is another number of
pictures.

Of `COPIES` pictures one is drawn, and the others hold the same pixels in bytes of their own, for drawing 120,000 would
take an hour. The doors do not notice: each file is read, told from others and decoded as any other, and its captions
are those of a scene of its own. The encoder is Scenes' small one, whose passes take little, so that what is measured is
all that is around an encoder.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from PIL import Image
from pytorch_lightning import seed_everything

from tests.benchmarks.timing import write
from whysaid.assemble.features import seen_by
from whysaid.data.scenes import records
from whysaid.data.scenes.render import render
from whysaid.data.scenes.workers import mapped
from whysaid.data.scenes.world import scene
from whysaid.run.conf import CONF
from whysaid.run.resolvers import register_resolvers

PICTURES, TEST_SHARE, SIZE, COPIES = 120_000, 24, 256, 20
"""All pictures; one of so many is a test picture; pixels of a side; pictures that are alike."""

EVERY = 0.2
"""Seconds between two looks at the memory of processes."""

Figures = dict[str, float]
Entry = tuple[records.Record, list[records.Record]]


def lay_out(root: Path, pictures: int) -> None:
    """Writes the data set in MSCOCO's layout, unless it is there."""
    done = root / "pictures"
    if done.exists() and done.read_text() == str(pictures):
        return
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    test = pictures // TEST_SHARE
    for folder, split, count in (("train2017", "train", pictures - test), ("val2017", "test", test)):
        (root / folder).mkdir(exist_ok=True)
        with mapped(partial(alike, root / folder, split, count), -(-count // COPIES), os.cpu_count() or 1) as groups:
            entries = [entry for group in groups for entry in group]
        said = [record for _, captions in entries for record in captions]
        content = json.dumps(records.coco_file([image for image, _ in entries], said))
        (root / "annotations" / f"captions_{folder}.json").write_text(content)
        (root / "annotations" / f"instances_{folder}.json").write_text("{}")  # no door here asks where objects are
    done.write_text(str(pictures))


def alike(folder: Path, split: str, count: int, group: int) -> list[Entry]:
    """Writes `COPIES` pictures that differ in the bytes after their end, and returns what the captions file holds."""
    first, entries, drawn = group * COPIES, [], BytesIO()
    Image.fromarray(render(scene(0, split, first, SIZE))).save(drawn, "PNG")
    for index in range(first, min(first + COPIES, count)):
        described = scene(0, split, index)
        (folder / records.file_name(described)).write_bytes(drawn.getvalue() + str(index).encode())
        entry = {**records.image_record(described), "width": SIZE, "height": SIZE}
        entries.append((entry, records.caption_records(described)))
    return entries


def measured(arguments: Sequence[str], until: str = "", told: bool = False) -> Figures:
    """Runs `python -m ARGUMENTS` and returns its seconds, its CPU seconds and its largest memory, in GB.

    Memory is what processes hold of their own (RssAnon): pages of a mapped file are the system's to take back. `all_gb`
    is that of the process and its workers, `parent_gb` of the process alone. With `until`, `until_s` tells after how
    many seconds the process first wrote a line with these words.
    """
    before, start, stop, figures = cpu_of_children(), time.perf_counter(), Event(), {}
    with subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        watcher = Thread(target=watch, args=(process.pid, stop, figures))
        watcher.start()
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if until and until in line and "until_s" not in figures:
                figures["until_s"] = time.perf_counter() - start
    stop.set()
    watcher.join()
    if process.returncode:
        raise SystemExit("".join([*lines[-20:], f"{' '.join(arguments)} failed"]))
    if told:
        figures |= json.loads(lines[-1])
    return {"seconds": time.perf_counter() - start, "cpu_s": cpu_of_children() - before, **figures}


def watch(pid: int, stop: Event, figures: Figures) -> None:
    """Keeps the largest memory of a process and of all that it started."""
    while not stop.wait(EVERY):
        own = own_gb(pid)
        figures["parent_gb"] = max(figures.get("parent_gb", 0.0), own)
        figures["all_gb"] = max(figures.get("all_gb", 0.0), own + sum(map(own_gb, offspring(pid))))


def own_gb(pid: int) -> float:
    """Memory of a process that no file backs; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e6


def offspring(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*children, *(grandchild for child in children for grandchild in offspring(child))]


def cpu_of_children() -> float:
    """CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def disk_gb(*folders: Path) -> float:
    """What the files of folders take."""
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()) / 1e9


def load(overrides: Sequence[str]) -> None:
    """One epoch of training batches, without a model: prints its figures as the last line."""
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = compose("train", list(overrides))
    seed_everything(config.seed, verbose=False)  # as the doors do: the encoder is the one whose features are stored
    data = seen_by(instantiate(config.encoder), instantiate(config.data))
    data.setup("fit")
    start = time.perf_counter()
    batches = sum(1 for _ in data.train_dataloader())
    print(json.dumps({"batches": batches, "loading_s": time.perf_counter() - start}))


def main(root: Path, pictures: int = PICTURES) -> None:
    """Runs the doors one after another, prints the figures of each as soon as they are known, and writes all."""
    test = pictures // TEST_SHARE
    sizes = [f"data.source.train={pictures - 2 * test}", f"data.source.val={test}"]
    kept = [f"paths.data_dir={root}", f"paths.output_dir={root}/outputs"]
    data = ["data=coco", f"data.cache_dir={root}/cache", *sizes, *kept]
    encoder = "encoder=scenes_cnn"
    quick = ["logger=none", "test=false", "trainer.max_steps=20", "trainer.limit_val_batches=0"]
    figures: dict[str, Figures] = {}

    def note(part: str, values: Figures) -> None:
        figures[part] = {name: float(f"{value:.3g}") for name, value in values.items()}
        print(part, figures[part], flush=True)

    lay_out(root / "coco", pictures)
    note("pictures", {"number": pictures, "disk_gb": disk_gb(root / "coco")})
    note("prepare", measured(["src.prepare", *data]))
    features = ["src.prepare", *data, encoder, "features=true"]
    note("features", {**measured(features), "disk_gb": disk_gb(root / "cache")})
    note("features_again", measured(features))
    train = ["src.train", "experiment=gridtd_coco", encoder, *data, *quick]
    note("start", measured(train, "from step 0"))
    note("epoch", measured(["tests.benchmarks.scale", "load", "experiment=gridtd_coco", encoder, *data], told=True))
    references = root / "coco" / "annotations" / "captions_val2017.json"
    captions = json.loads(references.read_text())["annotations"][::5]
    others = [
        {"image_id": one["image_id"], "caption": other["caption"]}
        for one, other in zip(captions, captions[1:] + captions[:1], strict=True)
    ]
    predictions = root / "predictions.json"
    predictions.write_text(json.dumps(others))
    score = ["src.evaluate", f"predictions={predictions}", f"references={references}", "data=scenes", *kept]
    note("metrics", measured([*score, "metrics.test.SPICE=null", "logger=none"]))
    print(write("scale", figures))


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        load(sys.argv[2:])
    elif len(sys.argv) in (2, 3):
        main(Path(sys.argv[1]).resolve(), *(int(number) for number in sys.argv[2:]))
    else:
        raise SystemExit(__doc__)
