"""`python -m src.evaluate ckpt=PATH`: metrics of a checkpoint, or of an ensemble, on any split."""

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig

from src.assemble import build_evaluation
from src.door import close, door, finish, resolved, run_dir, save_config, start_loggers


@door("evaluate")
def main(config: DictConfig) -> None:
    """Test what `ckpt` names on `split`, with the data of its own run unless the command line changes it."""
    folder = run_dir()
    pl.seed_everything(config.seed, workers=True, verbose=False)
    task, data, merged = build_evaluation(config)
    save_config(resolved(merged), folder)
    callbacks = [instantiate(c) for c in merged.callbacks.values() if c]
    trainer: pl.Trainer = instantiate(
        merged.trainer, callbacks=callbacks, logger=start_loggers(merged), default_root_dir=folder
    )
    trainer.test(task, datamodule=data, verbose=False)
    close(trainer)
    if trainer.is_global_zero:
        finish({name: float(value) for name, value in trainer.callback_metrics.items()}, folder)


if __name__ == "__main__":
    main()
