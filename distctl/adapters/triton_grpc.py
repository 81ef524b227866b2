"""Loading a model over gRPC, since over HTTP a load hangs other people's requests.

Triton's HTTP server gives each connection to one of eight threads, and a load keeps its thread until the
model is there: whatever else came over connections of that thread waits as long, be it ten minutes. Over
gRPC a load has a thread of its own.
"""

from __future__ import annotations

from distctl.cluster.spec import Endpoint
from distctl.commands.triton import GRPC_KEY_HEADER


def load_refusal(endpoint: Endpoint, model: str, key: str, timeout: float) -> str:
    """Load a model and wait up to `timeout` seconds for the end; what Triton said, "" if it is ready."""
    import tritonclient.grpc as client
    from tritonclient.utils import InferenceServerException

    headers = {GRPC_KEY_HEADER: key} if key else {}
    try:
        with client.InferenceServerClient(str(endpoint)) as connection:
            connection.load_model(model, headers=headers, client_timeout=timeout)
    except InferenceServerException as error:
        return " ".join((error.message() or str(error)).split())
    return ""
