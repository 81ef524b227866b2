"""Identity after a delay, many requests side by side: for drains and kills with work in flight."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.delay_ms = int(parameters["delay_ms"]["string_value"])
        self.threads = ThreadPoolExecutor(int(parameters["at_once"]["string_value"]))

    def execute(self, requests):
        for request in requests:
            values = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            delay = pb_utils.get_input_tensor_by_name(request, "DELAY_MS")
            delay_ms = self.delay_ms if delay is None else int(delay.as_numpy().max())
            self.threads.submit(self.answer, request.get_response_sender(), values, delay_ms / 1000)

    def answer(self, sender, values, delay):
        time.sleep(delay)
        response = pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", values)])
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def finalize(self):
        self.threads.shutdown()
