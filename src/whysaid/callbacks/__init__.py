"""What Lightning calls during a run: scores, pictures, tables, checkpoints, and the ways in which a run ends."""
