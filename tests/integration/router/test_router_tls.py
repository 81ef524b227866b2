"""TLS in front of both protocols: who is trusted, what is refused, and a certificate renewed under load."""

from __future__ import annotations

import os
import ssl
import subprocess
import urllib.error
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import certificates
import grpc
import pytest
import tritonclient.grpc
import tritonclient.http
from router_clients import repeated, rest, unary
from router_harness import Router, call, wait_for
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.app.entrance import Entrance, Identity
from distctl.cluster.router import SlotState, Tls
from distctl.cluster.spec import Endpoint
from distctl.commands.haproxy import CONFIG

Make = Callable[..., Router]
AUTHORITY = certificates.make("authority")
OLD, NEW, CLIENT = (certificates.make(name, AUTHORITY) for name in ("old", "new", "client"))


def shown(router: Router) -> int:
    """The serial number of the certificate that a new connection is shown."""
    port = router.view.http_port
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    return int(certificates.x509.load_pem_x509_certificate(pem.encode()).serial_number)


def trusting(*names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.pem)
    context.set_alpn_protocols(list(names) or ["http/1.1"])
    return context


@pytest.fixture
def secure(make_router: Make) -> Router:
    router = make_router(tls=Tls(OLD.pem, OLD.key))
    router.apply()
    return router


def test_both_protocols_on_both_ports_with_tritonclient(secure: Router, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text(AUTHORITY.pem)
    for port in (secure.view.http_port, secure.view.grpc_port):
        with tritonclient.http.InferenceServerClient(
            f"localhost:{port}", ssl=True, ssl_context_factory=trusting
        ) as client:
            assert client.is_model_ready("digits")
        with tritonclient.grpc.InferenceServerClient(
            f"localhost:{port}", ssl=True, root_certificates=str(authority)
        ) as client:
            assert client.is_server_live() and client.is_model_ready("digits")


def test_private_key_is_for_its_account_and_in_no_configuration(secure: Router) -> None:
    assert (secure.folder / "certificate.pem").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in (secure.folder / CONFIG).read_text()
    assert "PRIVATE" not in repr(secure.view)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_versions_before_1_2_are_refused(secure: Router, version: ssl.TLSVersion) -> None:
    context = trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        rest(secure, context=context)


def test_clear_text_is_refused_where_tls_is_spoken(secure: Router) -> None:
    with pytest.raises((OSError, urllib.error.URLError)):
        call(f"{secure.http}/v2/health/ready")


def test_certificate_is_renewed_under_load_without_a_reload_or_a_failed_request(secure: Router) -> None:
    """REST with a handshake for each request, and gRPC over connections that stay."""
    pid = secure.look().pid
    context = trusting()
    credentials = grpc.ssl_channel_credentials(AUTHORITY.pem.encode())
    channel = grpc.secure_channel(f"localhost:{secure.view.grpc_port}", credentials)
    with channel, repeated(3, lambda: rest(secure, context=context), pause=0.005) as over_rest:
        stub = rpc.GRPCInferenceServiceStub(channel)
        with repeated(2, lambda: unary(stub), pause=0.005) as over_grpc:
            for made in (NEW, OLD, NEW):
                secure.view = replace(secure.view, tls=Tls(made.pem, made.key))
                assert secure.apply() == "told 2 commands, configuration written"
                assert shown(secure) == made.certificate.serial_number
            wait_for(lambda: len(over_rest) > 100 and len(over_grpc) > 100, "more requests")
    assert {a.status for a in over_rest} == {200} and {a.status for a in over_grpc} == {0}
    assert secure.look().pid == pid
    secure.reload()
    assert shown(secure) == NEW.certificate.serial_number


def test_certificate_that_haproxy_refuses_changes_nothing(secure: Router) -> None:
    before = (secure.folder / "certificate.pem").read_text()
    secure.view = replace(secure.view, tls=Tls(NEW.pem, OLD.key))
    with pytest.raises(Exception, match="checking the router's configuration failed"):
        secure.apply()
    assert (secure.folder / "certificate.pem").read_text() == before
    assert shown(secure) == OLD.certificate.serial_number


def test_clients_show_a_certificate_where_they_are_asked_for_one(make_router: Make, tmp_path: Path) -> None:
    router = make_router(tls=Tls(OLD.pem, OLD.key, AUTHORITY.pem))
    router.apply()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        rest(router, context=trusting())
    own, foreign = tmp_path / "own.pem", tmp_path / "foreign.pem"
    own.write_text(CLIENT.pem + CLIENT.key)
    stranger = certificates.make("stranger")
    foreign.write_text(stranger.pem + stranger.key)
    context = trusting()
    context.load_cert_chain(foreign)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        rest(router, context=context)
    # As `distctl infer` comes in: trusting the configured certificate alone, under whatever name.
    identity = Identity(certificate=own)
    entrance = Entrance(Endpoint("127.0.0.1", router.view.grpc_port), OLD.pem)
    assert rest(router, context=entrance.context(identity)).status == 200
    with tritonclient.grpc.InferenceServerClient(
        str(entrance.endpoint), **entrance.channel(identity)
    ) as client:
        assert client.is_model_ready("digits")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_workers_of_root_are_nobody_in_a_folder_with_two_sockets_alone(make_router: Make) -> None:
    """A reload still hands sequences over, and keys and certificates still change."""
    router = make_router(tls=Tls(OLD.pem, OLD.key), drops_root=True)
    router.apply()
    status = Path(f"/proc/{router.look().pid}/status").read_text()
    assert "\nUid:\t65534\t65534\t65534\t65534\n" in status and "\nGroups:\t \n" in status
    assert Path(f"/proc/{router.look().pid}/root").readlink() == router.folder / "jail"
    assert {path.name for path in (router.folder / "jail").iterdir()} == {
        "jail",
        "peers.sock",
        "admin.sock",
        "successor.sock",
    }
    assert (router.folder / "jail").stat().st_mode & 0o777 == 0o711
    assert (router.folder / "jail" / "peers.sock").stat().st_mode & 0o777 == 0o600
    context, body = trusting(), b'{"inputs":[],"parameters":{"sequence_id":7}}'
    servers = [_sequence(router, context, body)]
    router.reload()
    servers.append(_sequence(router, context, body))
    router.set(n3=SlotState.READY)
    servers += [_sequence(router, context, body) for _ in range(3)]
    assert len(set(servers)) == 1, servers
    router.view = replace(router.view, tls=Tls(NEW.pem, NEW.key))
    router.apply()
    assert shown(router) == NEW.certificate.serial_number


def _sequence(router: Router, context: ssl.SSLContext, body: bytes) -> str:
    import http.client
    import json

    connection = http.client.HTTPSConnection("127.0.0.1", router.view.http_port, context=context, timeout=5)
    connection.request("POST", "/v2/models/seq/infer", body)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["server"])


def test_ciphers_keep_what_was_said_secret(secure: Router) -> None:
    """Without forward secrecy a key that is lost opens every conversation of the past."""
    words = ["openssl", "s_client", "-tls1_2", "-cipher", "AES128-GCM-SHA256:AES128-SHA", "-connect"]
    done = subprocess.run(
        [*words, f"127.0.0.1:{secure.view.http_port}"],
        input=b"",
        capture_output=True,
        timeout=10,
        check=False,
    )
    assert done.returncode != 0 and b"handshake failure" in done.stderr
