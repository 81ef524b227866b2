"""The parts of a real node, which the tests of nodes have as well."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "node"))  # node_parts
