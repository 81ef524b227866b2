"""What the router itself answers, in each protocol's own way: Triton's JSON, or gRPC's status alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from distctl.cluster.router import RouterView

# HAProxy's own answers: status, words, and what gRPC calls it.
ERRORS = (
    (400, "the request is not valid HTTP", 3),
    (408, "the request did not arrive in time", 4),
    (413, "the request is too large", 8),
    (500, "the router failed", 13),
    (502, "the server was lost before it answered", 14),
    (503, "no server is ready for this request", 14),
    (504, "the server did not answer in time", 4),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """HTTP's status, the words, what gRPC calls it, and further headers by name."""

    status: int
    words: str
    code: int
    extra: Mapping[str, str]

    @property
    def headers(self) -> str:
        """The further headers as HAProxy's configuration takes them."""
        return "".join(f" hdr {name} {value}" for name, value in self.extra.items())


LATER = {"retry-after": "1"}  # seconds; what is refused for want of room may come again soon
ADMISSION = {
    "full": Refusal(429, "too many requests wait for this model already", 8, LATER),
    "waited": Refusal(503, "no server was ready and free for this request in time", 14, LATER),
}
HOLD = {"held": Refusal(503, "no server is ready for this request", 14, {"retry-after": "5"})}
KEYS = {
    "key": Refusal(
        401, "this router needs an API key: Authorization: Bearer KEY", 16, {"www-authenticate": "Bearer"}
    ),
    "model": Refusal(
        403,
        "this API key may not use that model (over gRPC: no streams and no messages beyond replay_limit)",
        7,
        {},
    ),
    "many": Refusal(429, "too many requests at once with this API key", 8, LATER),
    "rate": Refusal(429, "too many requests a second with this API key", 8, LATER),
}
SHARE = {
    "share": Refusal(429, "this API key has its share of the requests that wait for this model", 8, LATER)
}
LIMITS = {
    "body": Refusal(413, "the request is larger than this router takes", 8, {}),
    "length": Refusal(411, "this router needs the length of a request: Content-Length", 3, {}),
    "headers": Refusal(431, "the headers are larger than this router takes", 8, {}),
}
LIFE = {"draining": Refusal(503, "this router is about to end: use another one", 14, {})}
REFUSALS = {**LIFE, **ADMISSION, **HOLD, **KEYS, **SHARE, **LIMITS}


def grpc_files(view: RouterView) -> dict[str, str]:
    """The answers to gRPC that a view's configuration names, as files by name."""
    admits = any(pool.admission for pool in view.pools)
    used = {
        **LIFE,
        **(ADMISSION if admits else {}),
        **(HOLD if any(pool.hold for pool in view.pools) else {}),
        **(KEYS if view.keys is not None else {}),
        **(SHARE if admits and view.keys is not None else {}),
        **({"body": LIMITS["body"]} if view.limits.body else {}),
        **({"headers": LIMITS["headers"]} if view.limits.headers else {}),
    }
    return {
        **{f"grpc{status}.http": _answer(words, code, {}) for status, words, code in ERRORS},
        **{f"grpc{word}.http": _answer(r.words, r.code, r.extra) for word, r in used.items()},
    }


def _answer(words: str, code: int, extra: Mapping[str, str]) -> str:
    """A gRPC answer without a message: HTTP's status is always 200."""
    lines = (f"grpc-status: {code}", f"grpc-message: {words}", *(f"{n}: {v}" for n, v in extra.items()))
    return "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n" + "\r\n".join(lines) + "\r\n\r\n"
