"""Trains the sample models of model_repo/ on data that scikit-learn ships, and writes weights and samples.

    python scripts/train_models.py [digits tumour ...]

Deterministic: the same scikit-learn gives the same weights. Every model is judged on rows that it did not
see in training, and its samples are such rows. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from training import digits, recommender, textgen, tumour

MODELS = {"digits": digits, "tumour": tumour, "recommender": recommender, "textgen": textgen}
REPOSITORY = Path(__file__).parents[1] / "model_repo"


def main() -> None:
    """Train the models named, or all of them, and say how good each one is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=list(MODELS), help="which models; all of them if absent")
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help="where the model folders are")
    arguments = parser.parse_args()
    for name in arguments.models:
        trained = MODELS[name].train()
        trained.write(arguments.repository / name)
        print(f"{name}: {trained.quality:.4f} {trained.measure}")


if __name__ == "__main__":
    main()
