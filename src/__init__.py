"""The source folder of a checkout, whose own code the doors `python -m src.…` run, whatever else is installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
