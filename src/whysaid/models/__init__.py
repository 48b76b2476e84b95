"""nn.Modules that know nothing of Lightning, Hydra or W&B."""
