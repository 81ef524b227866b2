"""A router's certificate and private key: read, and refused where they cannot serve, before any change."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from distctl.cluster.router import Tls
from distctl.cluster.spec import TlsSpec
from distctl.config.secrets import read_document
from distctl.errors import InputError


def read_tls(router: str, spec: TlsSpec, base: Path) -> Tls:
    """The PEM texts that a router is given. `base` is the inventory's folder.

    Raises InputError: a file that cannot be read, no certificate in it, an encrypted key, one of another
    certificate, a certificate that has expired.
    """
    certificate = read_text(spec.certificate)
    found = _first(certificate, f"routers.{router}.tls.certificate: {spec.certificate}")
    key = read_document(spec.key, base).reveal()
    _compare(found, key, f"routers.{router}.tls.key")
    if found.not_valid_after_utc < datetime.now(timezone.utc):
        raise InputError(
            f"routers.{router}.tls.certificate: {spec.certificate} expired on"
            f" {found.not_valid_after_utc:%Y-%m-%d}",
            hint="renew it, and run the command again",
        )
    clients = read_text(spec.client_ca) if spec.client_ca else ""
    if clients:
        _first(clients, f"routers.{router}.tls.client_ca: {spec.client_ca}")
    return Tls(certificate, key, clients)


def read_text(file: Path) -> str:
    """A file as text. Raises InputError."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _first(text: str, where: str) -> Any:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(text.encode())[0]
    except ValueError as error:
        raise InputError(f"{where} holds no certificate", hint="write PEM, the router's own first") from error


def _compare(certificate: Any, key: str, where: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        found: Any = load_pem_private_key(key.encode(), None)
    except TypeError as error:
        raise InputError(f"{where} has a passphrase, which a router cannot ask for") from error
    except ValueError as error:
        raise InputError(f"{where} holds no private key", hint="write PEM") from error
    shape = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if found.public_key().public_bytes(*shape) != certificate.public_key().public_bytes(*shape):
        raise InputError(
            f"{where} is the key of another certificate", hint="name the two that belong together"
        )
