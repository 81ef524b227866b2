"""A stand-in for Triton as a process of its own: both protocols, no model, answers that tell who gave them.

    python stand_in.py NAME HTTP_PORT GRPC_PORT MODEL...

REST and gRPC inference answer with the server's name and the request's digest. A request's header
(metadata) `x-delay` makes the answer late by so many milliseconds; `x-drop` makes the server close the
connection once it has read the request, `x-die` ends the server. `POST /standin/models` replaces the models;
`GET /standin/seen` tells how many inference requests came, `GET /standin/control` which paths of Triton's
control came, decoded as a lenient server would, `GET /standin/sequences` how many sequences are open, were
open at most, and hung: the model `sums` keeps four at once. `POST /standin/pace` [SECONDS, AT_ONCE] says how
long an inference takes and how many go on at once. Other answers tell the names of the headers that came.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
from urllib.parse import unquote

import grpc
from stand_in_model import Pace, Sequences, grpc_parameters, parameters_of
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

PREFIX = "/v2/models/"
CONTROL = re.compile(r"/(repository|systemsharedmemory|cudasharedmemory|logging|trace)(/|$)")
GRPC_CONTROL = re.compile("(?i)Repository|SharedMemory|TraceSetting|LogSettings")


class Model:
    """What both protocols share."""

    def __init__(self, name: str, models: list[str]) -> None:
        self.name, self.models, self.seen = name, set(models), 0
        self.control: list[str] = []
        self.sequences, self.pace = Sequences(places=4), Pace()


async def serve_http(state: Model, port: int) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await answer(state, reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    await asyncio.start_server(client, "127.0.0.1", port, backlog=1024)


async def answer(state: Model, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    _, path, _ = head[0].split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    body = await read_body(reader, headers)
    if path.endswith("/generate_stream"):
        return await stream(state, writer, int(headers.get("x-delay", "50")))
    status, content = await reply(state, path, headers, body)
    if status == 0:
        return False
    head_lines = (f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(content)}")
    writer.write("\r\n".join((*head_lines, "", "")).encode() + content)
    await writer.drain()
    return headers.get("connection", "").lower() != "close" and "HTTP/1.0" not in head[0]


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return b"".join(parts)
    return await reader.readexactly(int(headers.get("content-length", "0")))


async def stream(state: Model, writer: asyncio.StreamWriter, delay: int) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(5):
        event = f'data: {{"n":{number},"server":"{state.name}"}}\n\n'.encode()
        writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        await writer.drain()
        await asyncio.sleep(delay / 1000)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def reply(state: Model, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    if CONTROL.search(unquote(path).lower()):
        state.control.append(path)
    if path.startswith("/standin/"):
        return 200, json.dumps(control(state, path, body)).encode()
    if path == "/v2/models/stats":
        return 200, json.dumps({**state.pace.statistics(state.models), "path": path}).encode()
    if path.startswith(PREFIX):
        model, _, tail = path[len(PREFIX) :].partition("/")
        if model not in state.models:
            return 400, b'{"error":"unknown model"}'
        if tail.endswith(("infer", "generate")):
            return await infer(state, model, headers, body)
    return 200, json.dumps({"server": state.name, "path": path, "headers": sorted(headers)}).encode()


def control(state: Model, path: str, body: bytes) -> object:
    """What the tests ask of the stand-in itself."""
    if path == "/standin/models":
        state.models = set(json.loads(body))
    if path == "/standin/pace":
        state.pace.set(*json.loads(body))
    found = state.sequences
    told = {
        "/standin/pid": os.getpid(),
        "/standin/seen": state.seen,
        "/standin/control": state.control,
        "/standin/sequences": [len(found.steps), found.most, found.waiting],
    }
    return told.get(path, {})


async def infer(state: Model, model: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    state.seen += 1
    if "x-die" in headers:
        os._exit(1)
    if "x-drop" in headers:
        return 0, b""
    await asyncio.sleep(int(headers.get("x-delay", "0")) / 1000)
    told = {"server": state.name, "model": model, "digest": hashlib.sha256(body).hexdigest()}
    if model == "sums":
        step = await state.sequences.step(parameters_of(body))
        if isinstance(step, str):
            return 400, json.dumps({"error": step}).encode()
        told["step"] = step
    async with state.pace.turn():
        return 200, json.dumps(told).encode()


class Service(rpc.GRPCInferenceServiceServicer):
    """Triton's gRPC service as far as a router can tell."""

    def __init__(self, state: Model) -> None:
        self.state = state

    async def ServerLive(self, request, context):  # noqa: N802
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request, context):  # noqa: N802
        return pb.ServerReadyResponse(ready=True)

    async def ServerMetadata(self, request, context):  # noqa: N802
        return pb.ServerMetadataResponse(name=self.state.name)

    async def ModelReady(self, request, context):  # noqa: N802
        return pb.ModelReadyResponse(ready=request.name in self.state.models)

    async def ModelInfer(self, request, context):  # noqa: N802
        self.state.seen += 1
        metadata = dict(context.invocation_metadata())
        if request.model_name not in self.state.models:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "unknown model")
        await asyncio.sleep(int(metadata.get("x-delay", "0")) / 1000)
        step = await self._step(request)
        if isinstance(step, str):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, step)
        async with self.state.pace.turn():
            return self._answer(request, step)

    async def ModelStreamInfer(self, requests, context):  # noqa: N802
        async for request in requests:
            self.state.seen += 1
            step = await self._step(request)
            if isinstance(step, str):
                yield pb.ModelStreamInferResponse(error_message=step)
            else:
                yield pb.ModelStreamInferResponse(infer_response=self._answer(request, step))

    async def _step(self, request):
        return (
            await self.state.sequences.step(grpc_parameters(request)) if request.model_name == "sums" else 0
        )

    def _answer(self, request, step):
        answer = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
        answer.parameters["server"].string_param = self.state.name
        answer.parameters["step"].int64_param = step
        answer.raw_output_contents.extend(request.raw_input_contents)
        return answer


class Controlled(grpc.aio.ServerInterceptor):
    """Notes what a router must not pass on."""

    def __init__(self, state: Model) -> None:
        self.state = state

    async def intercept_service(self, continuation, details):
        if GRPC_CONTROL.search(details.method):
            self.state.control.append(details.method)
        return await continuation(details)


async def main(name: str, http_port: str, grpc_port: str, *models: str) -> None:
    state = Model(name, list(models))
    size = 64 * 1024 * 1024
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", size),
            ("grpc.max_send_message_length", size),
            ("grpc.so_reuseport", 0),
        ],
        interceptors=[Controlled(state)],
    )
    rpc.add_GRPCInferenceServiceServicer_to_server(Service(state), server)
    server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    await server.start()
    await serve_http(state, int(http_port))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
