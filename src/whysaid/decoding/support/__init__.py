"""Captions that name what `study=support` says is there."""
