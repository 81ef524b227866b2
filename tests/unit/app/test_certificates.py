"""Certificates as the inventory names them: what cannot serve is refused in words."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import certificates
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from distctl.app.certificates import read_tls
from distctl.app.entrance import Entrance, Identity, read_key
from distctl.cluster.spec import Endpoint, SecretRef, TlsSpec
from distctl.errors import InputError

GOOD, OTHER = certificates.make("good"), certificates.make("other")
LOCKED = GOOD.private.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
).decode()
Write = Callable[..., TlsSpec]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def wrote(certificate: str, key: str, clients: str | None = None) -> TlsSpec:
        texts = {"router.crt": certificate, "router.key": key, "clients.crt": clients or ""}
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o600)
        ca = None if clients is None else tmp_path / "clients.crt"
        return TlsSpec(tmp_path / "router.crt", SecretRef("file", ("router.key",)), ca)

    return wrote


def test_what_belongs_together_is_read_as_it_stands(write: Write, tmp_path: Path) -> None:
    found = read_tls("main", write(GOOD.pem + OTHER.pem, GOOD.key, OTHER.pem), tmp_path)
    assert (found.certificate, found.key, found.client_ca) == (GOOD.pem + OTHER.pem, GOOD.key, OTHER.pem)


@pytest.mark.parametrize(
    ("certificate", "key", "clients", "words"),
    [
        (GOOD.pem, OTHER.key, None, "routers.main.tls.key is the key of another certificate"),
        (GOOD.pem, LOCKED, None, "has a passphrase"),
        (GOOD.pem, "no key", None, "routers.main.tls.key holds no private key"),
        (GOOD.pem, " \n", None, "router.key is empty"),
        ("nothing", GOOD.key, None, "router.crt holds no certificate"),
        (GOOD.pem, GOOD.key, "nothing", "clients.crt holds no certificate"),
        ((old := certificates.make("old", days=-1)).pem, old.key, None, "expired on 2"),
    ],
)
def test_what_cannot_serve_is_refused(
    write: Write, tmp_path: Path, certificate: str, key: str, clients: str | None, words: str
) -> None:
    with pytest.raises(InputError, match=words) as refused:
        read_tls("main", write(certificate, key, clients), tmp_path)
    assert "PRIVATE" not in str(refused.value)


def test_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    spec = TlsSpec(tmp_path / "none.crt", SecretRef("file", ("none.key",)))
    with pytest.raises(InputError, match=r"none\.crt cannot be read: No such file"):
        read_tls("main", spec, tmp_path)


def test_entrance_trusts_the_configured_certificate_alone() -> None:
    where = Endpoint("10.0.0.1", 8000)
    clear, secure = Entrance(where), Entrance(where, GOOD.pem)
    assert (clear.url, secure.url) == ("http://10.0.0.1:8000", "https://10.0.0.1:8000")
    assert clear.context(Identity()) is None and clear.channel(Identity()) == {}
    context = secure.context(Identity())
    assert context is not None and context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs(binary_form=True)) == 1
    assert secure.channel(Identity())["channel_args"] == [("grpc.ssl_target_name_override", "localhost")]


def test_client_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.pem"
    file.write_text("nothing")
    with pytest.raises(InputError, match=r"own\.pem is no certificate with its private key"):
        Entrance(Endpoint("h", 1), GOOD.pem).context(Identity(certificate=file))


def test_key_comes_from_a_file_or_the_environment_and_shows_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("dk_secret\n")
    assert read_key(file, "other") == "dk_secret" and read_key(None, "other") == "other"
    identity = Identity("dk_secret")
    assert identity.headers == {"authorization": "Bearer dk_secret"} and Identity().headers == {}
    assert "dk_secret" not in repr(identity)
    with pytest.raises(InputError, match="cannot be read"):
        read_key(tmp_path / "none", "")
