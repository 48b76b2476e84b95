"""LightningModules: the training procedure and nothing else."""
