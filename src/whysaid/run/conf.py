"""The place of the configuration files."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

CONF = next(
    (folder for folder in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if folder.is_dir()), _PACKAGE / "conf"
)
"""The folder of the yaml files: inside the installed package, or at the top of a checkout."""
