"""Identity, until a file in FLAGS names its server's process.

`wrong` lasts as long as the model is loaded, `broken` as long as the process; `stuck` answers nothing.
"""

import os
import time
from pathlib import Path

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.flags = Path("@FLAGS@")
        self.server = os.getppid()
        self.wrong = False

    def flagged(self, name):
        """Whether a flag names this server's process."""
        try:
            return (self.flags / name).read_text().strip() == str(self.server)
        except FileNotFoundError:
            return False

    def execute(self, requests):
        if self.flagged("wrong"):
            (self.flags / "wrong").unlink()
            self.wrong = True
        if self.flagged("stuck"):
            (self.flags / "stuck").unlink()
            time.sleep(3600)
        if self.wrong or self.flagged("broken"):
            raise RuntimeError("this process is wrong")
        values = [pb_utils.get_input_tensor_by_name(r, "INPUT0").as_numpy() for r in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", v)]) for v in values]
