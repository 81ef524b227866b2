"""A registry asked what a tag means: a real one, with and without a login, and one that gives tokens."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which

import pytest
from images import picture
from registry import Registry, registry

from distctl.adapters.registry import digest_of
from distctl.cluster.image import parse_image

SMALL = picture("small", layers=())


@pytest.fixture(scope="module", autouse=True)
def _needed() -> None:
    if not which("docker-registry"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("apt-get install docker-registry")


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("private"), login="bob:s3cret") as made:
        made.push(SMALL)
        yield made


def test_a_tag_is_its_manifests_digest_and_moves_with_it(tmp_path: Path) -> None:
    with registry(tmp_path / "open") as made:
        image = parse_image(made.push(SMALL))
        assert digest_of(image).digest == SMALL.digest
        moved = picture("moved", layers=())
        made.push(moved)
        assert digest_of(image).digest == moved.digest != SMALL.digest
        gone = digest_of(parse_image(made.image(tag="9")))
        assert (gone.digest, gone.missing) == ("", True)
        assert gone.problem == f"there is no triton:9 in {made.address}"
        made.stop()
        assert "does not answer here: " in digest_of(image).problem
        assert not digest_of(image).missing


def test_a_login_is_told_when_it_is_asked_for(private: Registry) -> None:
    image = parse_image(private.image())
    assert digest_of(image, lambda: ("bob", "s3cret")).digest == SMALL.digest
    refused = "refuses us: it wants a login"
    assert refused in digest_of(image).problem
    assert refused in digest_of(image, lambda: ("bob", "wrong")).problem


def test_a_registry_that_never_answers_is_left_alone_in_time(private: Registry) -> None:
    private.freeze()
    try:
        assert "timed out" in digest_of(parse_image(private.image()), patience=0.3).problem
    finally:
        private.thaw()


class Tokens(BaseHTTPRequestHandler):
    """A registry whose door is elsewhere, as that of NVIDIA or Docker is: it wants a token from there."""

    def do_HEAD(self) -> None:
        known = self.headers.get("Authorization") == "Bearer a-token"
        self.send_response(200 if known else 401)
        if known:
            self.send_header("Docker-Content-Digest", SMALL.digest)
        else:
            realm = f"http://{self.headers['Host']}/token"
            words = f'Bearer realm="{realm}",service="suite",scope="repository:triton:pull"'
            self.send_header("WWW-Authenticate", words)
        self.end_headers()

    def do_GET(self) -> None:
        asked = self.path == "/token?service=suite&scope=repository%3Atriton%3Apull"
        basic = self.headers.get("Authorization", "")
        self.send_response(200)
        self.end_headers()
        token = "a-token" if asked and basic == "Basic Ym9iOnMzY3JldA==" else "none"
        self.wfile.write(json.dumps({"token": token}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_token_is_fetched_where_the_registry_says() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        image = parse_image(f"127.0.0.1:{server.server_port}/triton:1")
        assert digest_of(image, lambda: ("bob", "s3cret")).digest == SMALL.digest
        assert "refuses us" in digest_of(image).problem
        server.shutdown()
