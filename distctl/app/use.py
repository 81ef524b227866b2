"""One inference through a router, as any client of Triton would make it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distctl.app.entrance import Entrance, Identity
from distctl.app.session import Session
from distctl.cluster.spec import Endpoint, ServerId
from distctl.config.problems import did_you_mean
from distctl.data import data_folder
from distctl.errors import InputError, TritonError
from distctl.samples import Sample, flat, samples

SERVED_BY = "x-distctl-server"  # the router names the server in it when it is asked with the same header


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: outputs by name, flat; the server that the router named, if it did; seconds."""

    endpoint: Endpoint
    outputs: dict[str, list[Any]]
    server: ServerId | None
    seconds: float


def require_model(session: Session, name: str) -> None:
    """Raise InputError for a model that the inventory does not have: its routers know of no other."""
    known = [model.name for model in session.spec.models]
    if name not in known:
        raise InputError(f"there is no model {name!r}", hint=did_you_mean(name, known))


def request_for(session: Session, model: str, file: Path | None) -> Sample:
    """The request in a file, else the first sample beside the model's files. Raises InputError."""
    if file is not None:
        return read_request(file)
    if found := samples_of(session, model):
        return found[0]
    raise InputError(f"{model} has no sample request", hint=f"distctl infer {model} --input request.json")


def read_request(file: Path) -> Sample:
    """The KServe v2 request in a JSON file. Raises InputError."""
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not a JSON request: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
        raise InputError(f"{file}: not a KServe v2 request: it has no list `inputs`")
    return Sample(file.stem, "", {k: v for k, v in body.items() if k not in ("about", "expected")}, {})


def samples_of(session: Session, model: str) -> tuple[Sample, ...]:
    """The samples beside a model's files, or those that we ship for a model of that name."""
    for folder in (session.contents.source(model), data_folder("model_repo") / model):
        if folder is not None and (found := samples(folder)):
            return found
    return ()


def infer_once(
    session: Session,
    model: str,
    sample: Sample,
    *,
    grpc: bool,
    timeout: float,
    identity: Identity | None = None,
) -> Answer:
    """Send one request. Raises TritonError with the router's or Triton's own words."""
    entrance = session.routers.entrance(grpc=grpc)
    identity = identity or Identity()
    begun = time.monotonic()
    if grpc:
        outputs, slot = _by_grpc(entrance, identity, model, sample, timeout), ""
    else:
        outputs, slot = _by_http(entrance, identity, model, sample, timeout)
    node, _, server = slot.rpartition(".")  # a slot is NODE.SERVER
    by = ServerId(node, server) if node else None
    return Answer(entrance.endpoint, outputs, by, time.monotonic() - begun)


def _by_http(
    entrance: Entrance, identity: Identity, model: str, sample: Sample, timeout: float
) -> tuple[dict[str, list[Any]], str]:
    endpoint, context = entrance.endpoint, entrance.context(identity)
    request = urllib.request.Request(  # noqa: S310 - the scheme is ours
        f"{entrance.url}/v2/models/{model}/infer",
        data=json.dumps(sample.request).encode(),
        headers={"Content-Type": "application/json", SERVED_BY: "?", **identity.headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as response:  # noqa: S310
            body = json.load(response)
            slot = response.headers.get(SERVED_BY, "")
    except urllib.error.HTTPError as error:
        raise TritonError(
            f"{model} at {endpoint}: {error.code}: {_words(error)}", hint="distctl status"
        ) from error
    except (OSError, ValueError) as error:
        raise TritonError(f"{model} at {endpoint}: {error}", hint="distctl status") from error
    return {output["name"]: flat(output["data"]) for output in body["outputs"]}, slot


def _words(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip() or error.reason


def _by_grpc(
    entrance: Entrance, identity: Identity, model: str, sample: Sample, timeout: float
) -> dict[str, list[Any]]:
    import tritonclient.grpc as client
    from tritonclient.utils import InferenceServerException

    from distctl.adapters.tensors import tensors

    endpoint, channel = entrance.endpoint, entrance.channel(identity)
    inputs = tensors(client.InferInput, sample.request)
    try:
        with client.InferenceServerClient(str(endpoint), **channel) as connection:
            result = connection.infer(model, inputs, headers=identity.headers, client_timeout=timeout)
    except InferenceServerException as error:
        words = error.message() or str(error)
        raise TritonError(f"{model} at {endpoint}: {words}", hint="distctl status") from error
    names = [output.name for output in result.get_response().outputs]
    return {name: _plain(result.as_numpy(name)) for name in names}


def _plain(array: Any) -> list[Any]:
    return [
        value.decode(errors="replace") if isinstance(value, bytes) else value
        for value in array.flatten().tolist()
    ]
