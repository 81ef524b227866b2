"""The text generator says the same to the same question, and never stops short."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest
from generator import PARAGRAPH, Generator, grouped
from train_models import REPOSITORY


@pytest.fixture(scope="module")
def generator() -> Generator:
    """The one that is served."""
    with np.load(REPOSITORY / "textgen" / "1" / "weights.npz") as weights:
        return Generator(weights)


def words(generator: Generator, prompt: str, seed: int = 0, count: int = 300) -> list[str]:
    """The first words after a prompt."""
    return list(islice(generator.text(prompt, seed), count))


def test_the_same_prompt_and_seed_give_the_same_words(generator: Generator) -> None:
    assert words(generator, "The data") == words(generator, "The data")


def test_another_seed_and_another_prompt_give_other_words(generator: Generator) -> None:
    texts = {tuple(words(generator, p, s)) for p, s in product(("The data", "The number of"), range(3))}
    assert len(texts) == 6


@pytest.mark.parametrize("prompt", ["", "xyzzy", "\x00\n\n", "Ω" * 5000, "the THE The", ". . ."])
def test_any_prompt_has_a_text(generator: Generator, prompt: str) -> None:
    assert len(words(generator, prompt)) == 300


def test_a_prompts_last_words_lead_to_words_that_follow_them_in_the_documentation(
    generator: Generator,
) -> None:
    after = {words(generator, "The number of", seed, 1)[0] for seed in range(50)}
    assert {" features", " iterations"} <= after


def test_a_text_has_paragraphs(generator: Generator) -> None:
    assert PARAGRAPH in words(generator, "The data")


def test_grouped_rows_keep_each_context_whole() -> None:
    rows = np.array([[0, 1, 5, 2], [0, 1, 6, 1], [0, 2, 5, 9]], dtype=np.uint16)
    found = {context: group.tolist() for context, group in grouped(rows)}
    assert found == {(0, 1): [[0, 1, 5, 2], [0, 1, 6, 1]], (0, 2): [[0, 2, 5, 9]]}
