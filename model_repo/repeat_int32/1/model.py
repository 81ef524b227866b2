"""Sends each number of IN back as a response of its own, in a thread a request, so that requests overlap."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import triton_python_backend_utils as pb_utils

STREAMS = 64  # at once; more wait their turn


def numbers(request, name):
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy().ravel()


class TritonPythonModel:
    def initialize(self, args):
        self.streams = ThreadPoolExecutor(STREAMS)

    def execute(self, requests):
        for request in requests:
            values, delays = numbers(request, "IN"), numbers(request, "DELAY")
            wait = numbers(request, "WAIT")[0] / 1000
            sender = request.get_response_sender()
            if len(values) != len(delays):
                self.refuse(sender, f"IN has {len(values)} elements and DELAY {len(delays)}")
                continue
            self.streams.submit(self.stream, sender, values, delays)
            time.sleep(wait)

    def stream(self, sender, values, delays):
        for index, (value, delay) in enumerate(zip(values, delays)):
            time.sleep(delay / 1000)
            if sender.is_cancelled():
                break
            out = pb_utils.Tensor("OUT", np.array([value], dtype=np.int32))
            idx = pb_utils.Tensor("IDX", np.array([index], dtype=np.uint32))
            sender.send(pb_utils.InferenceResponse([out, idx]))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def refuse(self, sender, why):
        response = pb_utils.InferenceResponse(error=pb_utils.TritonError(why))
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def finalize(self):
        self.streams.shutdown()
