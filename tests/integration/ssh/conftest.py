"""An operator with connections, and hosts that a whole module shares where nothing breaks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hosts import Hosts, demand, missing

from distctl.adapters.ssh import Connections
from distctl.cluster.spec import SecretRef

Operator = Callable[..., Connections]


def secret(ref: SecretRef) -> str:
    """The tests' secrets: a reference's value is the secret."""
    return ref.value[0]


@pytest.fixture
def operator() -> Iterator[Operator]:
    """Makes the connections of one run: `operator(hosts)`; `warnings` is what they warned of."""
    with ExitStack() as stack:

        def make(hosts: Hosts, warnings: list[str] | None = None) -> Connections:
            warn = (lambda text: None) if warnings is None else warnings.append
            made = Connections(secret=secret, warn=warn, account=hosts.account)
            return stack.enter_context(made)

        yield make


@pytest.fixture(scope="module")
def shared() -> Iterator[Hosts]:
    """Test hosts for a module of tests that leave them whole."""
    demand(missing())
    with Hosts() as made:
        yield made
