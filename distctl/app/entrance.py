"""The way into a router, as any of its clients goes: in clear text or by TLS, with or without an API key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distctl.cluster.spec import Endpoint
from distctl.errors import InputError

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: an API key, and a PEM file with a client's certificate and its private key."""

    key: str = field(default="", repr=False)
    certificate: Path | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What shows the key, over REST and gRPC alike."""
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a router answers and the certificate that it shows as PEM, "" in clear text.

    The certificate is the one of the inventory and is trusted by itself, under whatever name the router is
    reached (an address, or a port that ssh forwards).
    """

    endpoint: Endpoint
    certificate: str = ""

    @property
    def url(self) -> str:
        """The entrance as a URL without a path."""
        return f"{'https' if self.certificate else 'http'}://{self.endpoint}"

    def context(self, identity: Identity) -> ssl.SSLContext | None:
        """How to shake hands; None in clear text. Raises InputError for an unfit client's certificate."""
        if not self.certificate:
            return None
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
        if identity.certificate:
            try:
                context.load_cert_chain(identity.certificate)
            except (OSError, ssl.SSLError) as error:
                raise InputError(
                    f"{identity.certificate} is no certificate with its private key: {error}"
                ) from error
        return context

    def channel(self, identity: Identity) -> dict[str, Any]:
        """The same for gRPC, as arguments of tritonclient; empty in clear text. Raises InputError."""
        if not self.certificate:
            return {}
        import grpc

        own = _read(identity.certificate) if identity.certificate else None
        credentials = grpc.ssl_channel_credentials(self.certificate.encode(), own, own)
        name = _name(self.certificate)
        return {"ssl": True, "creds": credentials, "channel_args": [("grpc.ssl_target_name_override", name)]}


def read_key(file: Path | None, environment: str) -> str:
    """An API key from a file, else the environment's; never from the command line. Raises InputError."""
    if file is None:
        return environment
    return _read(file).decode(errors="replace").strip()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error


def _name(certificate: str) -> str:
    """A name that the certificate is good for."""
    from cryptography import x509

    found = x509.load_pem_x509_certificates(certificate.encode())[0]
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    dns = [name.replace("*", "any") for name in names.get_values_for_type(x509.DNSName)]
    return next(iter([*dns, *map(str, names.get_values_for_type(x509.IPAddress))]), "localhost")
