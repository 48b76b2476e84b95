"""The version of this package, which every run stores."""

__version__ = "0.1.0"
