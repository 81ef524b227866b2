"""A trigram text generator: NumPy and the standard library, no Triton, so that it can be tested alone."""

import random
import re
from itertools import accumulate

import numpy as np

PARAGRAPH = "\n\n"
# How often a triple that was seen is trusted before the pair is asked instead: less is bolder, and less sense.
TRUST = 0.9


class Generator:
    def __init__(self, weights):
        """Take the arrays of weights.npz: `words`, and `ones`, `twos`, `threes` as rows of word numbers and count."""
        self.words = [str(word) for word in weights["words"]]
        self.number = {word: place for place, word in enumerate(self.words)}
        self.following = {}
        for name in ("ones", "twos", "threes"):
            for context, rows in grouped(weights[name]):
                words, counts = rows[:, -2].tolist(), rows[:, -1].tolist()
                self.following[context] = words, list(accumulate(counts))

    def text(self, prompt, seed):
        """Words without end that go on after `prompt`; the same prompt and seed give the same words."""
        chance = random.Random(f"{seed} {prompt}")
        before = self.context(prompt)
        while True:
            word = self.next(before, chance)
            yield self.words[word]
            before = (before[1], word)

    def context(self, prompt):
        """The numbers of the prompt's last two words, as far as they are known."""
        end = self.number[PARAGRAPH]
        known = [self.known(word) for word in re.findall(r" ?[\w'-]+| ?[^\w\s]", " " + prompt.strip())]
        return tuple([end, end, *(word for word in known if word is not None)][-2:])

    def known(self, word):
        """A word's number, with or without its space and capital; None if the model never saw it."""
        forms = (word, word.strip(), " " + word.strip(), word.lower(), word.strip().capitalize())
        return next((self.number[form] for form in forms if form in self.number), None)

    def next(self, before, chance):
        """Choose a word after two others, as often as it stood there in the text it learned from."""
        contexts = [before, before[1:], ()]
        if before in self.following and chance.random() > TRUST:
            contexts.remove(before)
        words, counts = next(self.following[c] for c in contexts if c in self.following)
        return chance.choices(words, cum_weights=counts)[0]


def grouped(rows):
    """Rows that are sorted, in groups of the same context: pairs of the context's word numbers and its rows."""
    if rows.shape[1] == 2:
        return [((), rows)]
    changes = np.flatnonzero(np.any(np.diff(rows[:, :-2], axis=0), axis=1)) + 1
    return [(tuple(group[0, :-2].tolist()), group) for group in np.split(rows, changes)]
