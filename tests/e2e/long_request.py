"""A request that takes as long as a test wants."""

from __future__ import annotations

import json
import threading
import time
import urllib.request

from local_cluster import LocalCluster


class Asked(threading.Thread):
    """One request to `slow` that takes `seconds`, on its way; `status` is its end."""

    def __init__(self, cluster: LocalCluster, seconds: float) -> None:
        super().__init__(daemon=True)
        self.status, self.took = 0, 0.0
        self._url = f"http://127.0.0.1:{cluster.ports['http']}/v2/models/slow/infer"
        self._body = {
            "inputs": [
                {"name": "INPUT0", "datatype": "FP32", "shape": [1, 1], "data": [4.0]},
                {"name": "DELAY_MS", "datatype": "INT32", "shape": [1, 1], "data": [int(seconds * 1000)]},
            ]
        }
        self.start()

    def run(self) -> None:
        begun = time.monotonic()
        try:
            with urllib.request.urlopen(self._url, json.dumps(self._body).encode(), timeout=90) as answer:
                outputs = json.load(answer)["outputs"]
                self.status = answer.status if outputs[0]["data"] == [4.0] else -1
        except OSError:
            self.status = -2
        self.took = time.monotonic() - begun
