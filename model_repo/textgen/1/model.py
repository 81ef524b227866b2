"""Streams generated text word by word at an even pace, many streams at once: a decoupled model."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils
from generator import Generator

MOST_TOKENS = 100_000


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        settings = {key: int(value["string_value"]) for key, value in parameters.items()}
        self.max_tokens, self.token_ms = settings["max_tokens"], settings["token_ms"]
        self.streams = ThreadPoolExecutor(settings["max_streams"])
        folder = Path(args["model_repository"]) / args["model_version"]
        with np.load(folder / "weights.npz") as weights:
            self.generator = Generator(weights)

    def execute(self, requests):
        for request in requests:
            prompt = pb_utils.get_input_tensor_by_name(request, "PROMPT").as_numpy().flat[0]
            tokens = self.number(request, "MAX_TOKENS", self.max_tokens)
            pace = self.number(request, "TOKEN_MS", self.token_ms)
            words = self.generator.text(prompt.decode("utf-8", "replace"), self.number(request, "SEED", 0))
            sender = request.get_response_sender()
            if 0 <= tokens <= MOST_TOKENS and pace >= 0:
                self.streams.submit(self.stream, sender, islice(words, tokens), pace / 1000)
            else:
                self.refuse(sender, f"MAX_TOKENS takes 0 to {MOST_TOKENS}, TOKEN_MS 0 and more")

    def number(self, request, name, default):
        tensor = pb_utils.get_input_tensor_by_name(request, name)
        return default if tensor is None else int(tensor.as_numpy().flat[0])

    def stream(self, sender, words, pace):
        """Send each word when its time has come; a client that went away ends the stream."""
        started = time.monotonic()
        for index, word in enumerate(words):
            time.sleep(max(0, started + (index + 1) * pace - time.monotonic()))
            if sender.is_cancelled():
                break
            text = pb_utils.Tensor("TEXT", np.array([word.encode()], dtype=np.object_))
            place = pb_utils.Tensor("INDEX", np.array([index], dtype=np.int32))
            sender.send(pb_utils.InferenceResponse([text, place]))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def refuse(self, sender, why):
        response = pb_utils.InferenceResponse(error=pb_utils.TritonError(why))
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def finalize(self):
        self.streams.shutdown()
