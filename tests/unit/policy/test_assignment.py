"""Whether Triton sees the devices that its server was given, and what they are called."""

from __future__ import annotations

import pytest

from distctl.cluster.spec import Server, ServerId
from distctl.policy.assignment import called, mismatch

A, B = "GPU-5a1b2c3d-0000-4000-8000-000000000000", "GPU-6b2c3d4e-0000-4000-8000-000000000001"
FACTS = {
    "gpus": "2",
    "gpu.0.uuid": A,
    "gpu.1.uuid": B,
    "gpu.1.mig": "enabled",
    "gpu.1.mig.0.uuid": "MIG-1",
    "gpu.1.mig.0.profile": "3g.20gb",
    "gpu.1.mig.1.uuid": "MIG-2",
}


def given(*gpus: str) -> Server:
    return Server(ServerId("n", "0"), "127.0.0.1", 1, 2, 3, gpus)


ALL = Server(ServerId("n", "0"), "127.0.0.1", 1, 2, 3)


@pytest.mark.parametrize(
    ("server", "reported"),
    [
        (given(A), (A,)),
        (given(A, B), (B, A)),
        (given(A), ()),  # on a CPU, or without DCGM: not reported
        (given(), ()),
        (ALL, (A,)),
        (given("MIG-1"), ("MIG-1",)),
        (given("MIG-1"), (B,)),  # the GPU that it is a part of
    ],
)
def test_what_was_given_or_nothing_is_no_mismatch(server: Server, reported: tuple[str, ...]) -> None:
    assert mismatch(server, reported, FACTS) == ""


@pytest.mark.parametrize(
    ("server", "reported", "told"),
    [
        (given(A), (B,), f"Triton sees {B} and was given {A}"),
        (given(A), (B, A), f"Triton sees {A}, {B} and was given {A}"),
        (given(A, B), (A,), f"Triton sees {A} and was given {A}, {B}"),
        (given(), (A,), f"Triton sees {A} and was given no GPU"),
        (given("MIG-1"), (A,), f"Triton sees {A} and was given MIG-1"),
    ],
)
def test_another_set_of_gpus_is_told_in_full(server: Server, reported: tuple[str, ...], told: str) -> None:
    assert mismatch(server, reported, FACTS) == told


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (ALL, ""),
        (given(), "none"),
        (given(A), "0 GPU-5a1b2c3d"),
        (given(A, B), "0 GPU-5a1b2c3d, 1 GPU-6b2c3d4e"),
        (given("MIG-1"), "1.0 3g.20gb"),
        (given("GPU-77777777-gone"), "GPU-77777777"),
        (given("3"), "3"),
    ],
)
def test_devices_are_called_by_number_and_the_beginning_of_their_uuid(server: Server, words: str) -> None:
    assert called(server, FACTS) == words
