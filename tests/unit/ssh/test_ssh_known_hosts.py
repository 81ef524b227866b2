"""Known host keys: every form of a line, and writing that adds and never takes away."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from pathlib import Path

import pytest

from distctl.adapters.ssh.host_keys import known, preferred, save, verify
from distctl.adapters.ssh.known_hosts import HostKey, add, look_up
from distctl.adapters.ssh.route import Hop
from distctl.errors import HostKeyChanged, HostKeyUnknown, InputError

ED = HostKey("ssh-ed25519", b"one")
RSA = HostKey("ssh-rsa", b"two")
B64 = base64.b64encode(b"one").decode()


def hashed(name: str) -> str:
    salt = b"salt" * 5
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("field", "name", "found"),
    [
        ("gpu", "gpu", True),
        ("gpu", "gpu2", False),
        ("a,gpu,10.0.0.1", "10.0.0.1", True),
        ("*.example.com", "a.example.com", True),
        ("*,!gpu", "gpu", False),
        ("[gpu]:2222", "[gpu]:2222", True),
        ("[gpu]:2222", "gpu", False),
        ("gpu", "[gpu]:2222", False),
        ("GPU", "gpu", True),
        (hashed("gpu"), "gpu", True),
        (hashed("[gpu]:2222"), "[gpu]:2222", True),
        (hashed("gpu"), "other", False),
        ("|1|broken", "gpu", False),
    ],
)
def test_a_line_names_hosts_in_every_form_of_openssh(tmp_path, field, name, found):
    path = tmp_path / "known"
    path.write_text(f"# comment\n\nnonsense\n{field} ssh-ed25519 {B64} a comment\ngpu ssh-rsa ???\n")
    assert look_up([tmp_path / "none", path], name).keys == ((ED,) if found else ())


def test_markers_authorities_are_left_out_and_revoked_keys_kept_apart(tmp_path):
    path = tmp_path / "known"
    path.write_text(f"@cert-authority * ssh-ed25519 {B64}\n@revoked gpu ssh-ed25519 {B64}\n")
    seen = look_up([path], "gpu")
    assert (seen.keys, seen.revoked) == ((), (ED,))


def test_the_fingerprint_is_that_of_ssh_keygen():
    blob = base64.b64decode("AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl")
    assert HostKey("ssh-ed25519", blob).fingerprint == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


def test_adding_keeps_every_line_ends_an_open_one_and_adds_nothing_twice(tmp_path):
    path = tmp_path / "folder/known"
    add(path, "gpu", [ED])
    path.write_text(path.read_text().rstrip("\n"))
    add(path, "gpu", [ED, RSA])
    add(path, "gpu", [RSA])
    assert path.read_text() == f"gpu ssh-ed25519 {B64}\ngpu ssh-rsa {base64.b64encode(b'two').decode()}\n"


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        add(tmp_path, "gpu", [ED])


def hop(path: Path, **settings) -> Hop:
    return replace(Hop("gpu", "gpu", 22, "me", known_hosts=(path,)), **settings)


def test_a_server_without_the_known_type_is_taken_for_another_one(tmp_path):
    add(tmp_path / "known", "gpu", [RSA])
    with pytest.raises(HostKeyChanged) as caught:
        verify("n", hop(tmp_path / "known", accept_new=True), ED)
    assert RSA.fingerprint in str(caught.value) and ED.fingerprint in str(caught.value)


def test_strict_writes_nothing_and_accept_new_writes_to_the_first_file(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with pytest.raises(HostKeyUnknown):
        verify("n", hop(first), ED)
    assert not first.exists()
    new = hop(first, known_hosts=(first, second), accept_new=True)
    verify("n", new, ED)
    assert known(new).keys == (ED,) and not second.exists()


def test_without_a_file_to_write_to_trust_says_what_to_set():
    with pytest.raises(InputError) as caught:
        save(replace(hop(Path("/x")), known_hosts=()), ED)
    assert "ssh.known_hosts" in caught.value.hint


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), ("ed", "rsa-sha2-512", "rsa-sha2-256")),
        (("ssh-rsa",), ("rsa-sha2-512", "rsa-sha2-256", "ed")),
        (("unheard-of", "ed"), ("ed", "rsa-sha2-512", "rsa-sha2-256")),
    ],
)
def test_algorithms_of_known_keys_are_asked_for_first(kinds, expected):
    assert preferred(kinds, ("ed", "rsa-sha2-512", "rsa-sha2-256")) == expected
