"""What Ray Serve serves in a benchmark: two replicas that answer the floats that they are asked with.

python ray_app.py PORT
"""

from __future__ import annotations

import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=2, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
class Floats:
    """The model `floats` as a deployment."""

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Triton's answer to Triton's question."""
        if request.method == "GET":
            return {"ready": True}
        wanted = await request.json()
        return {"model_name": "floats", "outputs": [{**wanted["inputs"][0], "name": "OUTPUT0"}]}


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
serve.run(Floats.bind(), route_prefix="/")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.pause()
