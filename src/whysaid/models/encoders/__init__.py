"""Image encoders: pixels to a set of region features."""
