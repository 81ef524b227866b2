"""API keys and the certificate: files whose content changes under their name, and what a worker is told.

HAProxy knows a map or a certificate by the name of its file, so the name stays. The file is written first and
is what a worker starts from; the socket then brings the running one to the same.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from distctl.cluster.keys import Key
from distctl.cluster.router import RouterView

KEYS = "keys.map"
CERTIFICATE = "certificate.pem"
LIVING = (KEYS, CERTIFICATE)
BATCH = 50  # lines of a map in one command: HAProxy reads it into one buffer, of 16 KiB at least


def living(view: RouterView) -> dict[str, str]:
    """The files of that kind that a view asks for, by name. They hold secrets: for their owner alone."""
    found = {}
    if view.keys is not None:
        found[KEYS] = "".join(f"{line}\n" for line in _lines(view.keys))
    if view.tls is not None:
        found[CERTIFICATE] = f"{view.tls.certificate.strip()}\n{view.tls.key.strip()}\n"
    return found


def _lines(keys: Iterable[Key]) -> list[str]:
    """`DIGEST NAME/some|all/RATE/CONCURRENCY` for each key, `NAME:MODEL 1` for each model that it may use.

    A digest is in upper case, as HAProxy writes hexadecimal digits.
    """
    found = []
    for key in keys:
        which = "some" if key.models else "all"
        found.append(f"{key.digest.upper()} {key.name}/{which}/{key.rate}/{key.concurrency}")
        found += [f"{key.name}:{model} 1" for model in key.models]
    return found


# --- keys ---


def ask_keys(pid: int) -> str:
    """What to ask for the keys that a worker knows."""
    return f"@!{pid} show map {KEYS}"


def same_keys(answer: str, wanted: str) -> bool:
    """Whether that answer is the wanted content of the map."""
    entries = (line.partition(" ")[2] for line in answer.splitlines() if line.startswith("0x"))
    return sorted(entries) == sorted(wanted.splitlines())


def begin_keys(pid: int) -> str:
    """What begins another version of the map, which nobody sees before it is committed."""
    return f"@!{pid} prepare map {KEYS}"


def version_of(answer: str) -> str:
    """The number that `begin_keys` was answered with; empty when there is none."""
    found = re.search(r"New version created: (\d+)", answer)
    return found[1] if found else ""


def fill_keys(pid: int, version: str, wanted: str) -> list[str]:
    """What puts the wanted lines into that version, and then shows it to everybody at once."""
    lines = wanted.splitlines()
    parts = [lines[at : at + BATCH] for at in range(0, len(lines), BATCH)]
    added = [_payload(f"@!{pid} add map @{version} {KEYS}", "\n".join(part)) for part in parts]
    return [*added, f"@!{pid} commit map @{version} {KEYS}"]


# --- the certificate ---


def ask_certificate(pid: int) -> str:
    """What to ask for the certificate that a worker shows."""
    return f"@!{pid} show ssl cert {CERTIFICATE}"


def same_certificate(answer: str, wanted: str) -> bool:
    """Whether that answer is about the first certificate of the wanted file."""
    shown = re.search(r"^SHA1 FingerPrint: ([0-9A-F]+)$", answer, re.MULTILINE)
    return shown is not None and shown[1] == fingerprint(wanted)


def fingerprint(pem: str) -> str:
    """SHA-1 of the first certificate, as HAProxy names it; empty when there is none."""
    found = re.search(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", pem, re.DOTALL)
    return hashlib.sha1(base64.b64decode(found[1])).hexdigest().upper() if found else ""  # noqa: S324 - a name


def set_certificate(pid: int, wanted: str) -> list[str]:
    """What has a worker show another certificate from the next handshake on."""
    solid = "\n".join(line for line in wanted.splitlines() if line.strip())
    return [
        _payload(f"@!{pid} set ssl cert {CERTIFICATE}", solid),
        f"@!{pid} commit ssl cert {CERTIFICATE}",
    ]


def _payload(command: str, text: str) -> str:
    """A command with lines of its own, which an empty one ends."""
    return f"{command} <<\n{text}\n"


FINE = ("Success!", "Committing", "Transaction created", "Transaction updated")


def complaint(answer: str) -> str:
    """What the socket said against one of these commands; empty when it took it."""
    lines = (line.strip() for line in answer.splitlines())
    return " ".join(line for line in lines if line and not line.startswith(FINE))
