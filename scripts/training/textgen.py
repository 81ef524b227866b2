"""A text generator: which word follows two others in the documentation of scikit-learn's estimators.

The text ships in the package itself (BSD-3-Clause), some 40,000 words: enough for sentences, not for sense.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from inspect import getdoc
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.utils.discovery import all_estimators

from training.trained import Trained, sample, tensor

PARAGRAPH = "\n\n"
UNSEEN_EVERY = 10
PROMPT, TOKENS = "The number of", 24
GENERATOR = Path(__file__).parents[2] / "model_repo/textgen/1/generator.py"
Grams = Counter[tuple[str, ...]]


def train() -> Trained:
    """Count words, pairs and triples in all paragraphs; judge by counting without each tenth one."""
    text = list(paragraphs())
    weights = _arrays(_count(text))
    seen = [words for place, words in enumerate(text) if place % UNSEEN_EVERY]
    return Trained(
        weights,
        {"the-number-of": _sample(weights)},
        _quality(_count(seen), text[::UNSEEN_EVERY]),
        "of the next words in text that was held back are among its five best guesses",
    )


def paragraphs() -> Iterator[list[str]]:
    """The prose of every estimator's documentation, each paragraph once, as words and marks that keep the
    space before them."""
    blocks = (re.split(r"\n\s*\n", getdoc(kind) or "") for _, kind in all_estimators())
    for block in dict.fromkeys(filter(None, map(_prose, chain.from_iterable(blocks)))):
        yield [*re.findall(r" ?[\w'-]+| ?[^\w\s]", block), PARAGRAPH]


def _prose(block: str) -> str:
    """A block's sentences on one line; nothing if it is a table, list, code, reference or heading."""
    if re.search(r"==|--|>>>|\||http|:\w+:|\*\*|]_", block) or re.match(r"\s*(\.\.|[-*:[])", block):
        return ""
    lines = (line for line in block.split("\n") if not re.match(r"\s*[\w, ]+ : ", line))
    text = " ".join(" ".join(lines).replace("`", "").split())
    return text if re.match(r"[A-Z].{40,}\.$", text) else ""


def _count(text: list[list[str]]) -> tuple[Grams, Grams, Grams]:
    """How often each word, pair and triple occurs; a paragraph starts after a paragraph's end."""
    ones: Grams = Counter((word,) for word in chain.from_iterable(text))
    padded = [[PARAGRAPH, PARAGRAPH, *words] for words in text]
    twos: Grams = Counter(chain.from_iterable(pairwise(w[1:]) for w in padded))
    threes: Grams = Counter(chain.from_iterable(zip(w, w[1:], w[2:], strict=False) for w in padded))
    return ones, twos, threes


def _arrays(counts: tuple[Grams, Grams, Grams]) -> dict[str, Any]:
    """The counts as rows of word numbers, the count last, in an order that does not depend on hashing."""
    words = sorted({word for (word,) in counts[0]})
    number = {word: place for place, word in enumerate(words)}
    arrays: dict[str, Any] = {"words": np.array(words), "scikit_learn": np.array(sklearn.__version__)}
    for name, grams in zip(("ones", "twos", "threes"), counts, strict=True):
        rows = sorted([*(number[word] for word in gram), count] for gram, count in grams.items())
        arrays[name] = np.array(rows, dtype=np.uint16)
    return arrays


def _quality(counts: tuple[Grams, Grams, Grams], held_back: list[list[str]]) -> float:
    best = [_best(grams) for grams in counts]
    hits, total = 0, 0
    for words in held_back:
        padded = [PARAGRAPH, PARAGRAPH, *words]
        for place in range(2, len(padded)):
            guesses = best[2].get((padded[place - 2], padded[place - 1])) or best[1].get((padded[place - 1],))
            hits += padded[place] in (guesses or best[0][()])
            total += 1
    return hits / total


def _best(grams: Grams) -> dict[tuple[str, ...], list[str]]:
    """For each context the five words that follow it most often."""
    following: dict[tuple[str, ...], list[str]] = {}
    for gram, _ in sorted(grams.items(), key=lambda item: (-item[1], item[0])):
        guesses = following.setdefault(gram[:-1], [])
        if len(guesses) < 5:
            guesses.append(gram[-1])
    return following


def _sample(weights: Mapping[str, Any]) -> dict[str, Any]:
    """A prompt, and the words that the model's own generator says after it."""
    spec = spec_from_file_location("generator", GENERATOR)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    words = list(islice(module.Generator(weights).text(PROMPT, seed=0), TOKENS))
    return sample(
        f"{TOKENS} words after `{PROMPT}`, one response a word",
        [tensor("PROMPT", "BYTES", [1], [PROMPT]), tensor("MAX_TOKENS", "INT32", [1], [TOKENS])],
        {"TEXT": words, "INDEX": list(range(TOKENS))},
    )
