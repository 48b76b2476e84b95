"""Training pictures from which an object is taken out."""
