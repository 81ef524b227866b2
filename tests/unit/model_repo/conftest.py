"""The training scripts and the text generator are no part of the package: put them where they are found."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
sys.path[:0] = [str(PROJECT / "scripts"), str(PROJECT / "model_repo" / "textgen" / "1")]
