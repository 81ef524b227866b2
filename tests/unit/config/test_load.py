"""What a good inventory becomes: defaults, precedence with origins, and the words that look like traps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from distctl.app.session import Session
from distctl.cluster.spec import (
    Become,
    Connection,
    Endpoint,
    PrefixSpec,
    RequestTimeouts,
    Runtime,
    RuntimeKind,
    SecretRef,
    Source,
    Timeouts,
)
from distctl.config import Inventory, Origin, load

HEAD = "version: 1\ncluster: prod\n"


def loaded(folder: Path, text: str) -> Inventory:
    file = folder / "prod.yaml"
    file.write_text(HEAD + text)
    return load(file)


def test_a_bare_node_has_every_default(tmp_path: Path) -> None:
    """An empty node is reached by its name and runs one server on 9000 to 9002."""
    inventory = loaded(tmp_path, "nodes: {gpu01: }\n")
    node = inventory.spec.node("gpu01")
    assert (node.connection, node.address, node.serve_address) == (Connection.SSH, "gpu01", "gpu01")
    assert (node.runtime, node.timeouts, node.directory) == (Runtime(), Timeouts(), None)
    (server,) = node.servers
    assert (str(server.id), server.http) == ("gpu01/0", Endpoint("gpu01", 9000))
    assert (server.grpc_port, server.metrics_port) == (9001, 9002)
    assert inventory.store.url == f"sqlite:///{tmp_path}/.distctl/prod.db"
    assert all(origin.level == "default" for origin in inventory.origins["gpu01"].values())


def test_a_local_node_is_reached_on_loopback(tmp_path: Path) -> None:
    node = loaded(tmp_path, "nodes: {here: {connection: local}}\n").spec.node("here")
    assert (node.connection, node.address, node.serve_address) == (Connection.LOCAL, "127.0.0.1", "127.0.0.1")


def test_several_servers_are_ten_ports_apart(tmp_path: Path) -> None:
    node = loaded(tmp_path, "nodes: {gpu01: {servers: {per: 3, ports: 9100}}}\n").spec.node("gpu01")
    assert [(s.id.server, s.http_port, s.grpc_port, s.metrics_port) for s in node.servers] == [
        ("0", 9100, 9101, 9102),
        ("1", 9110, 9111, 9112),
        ("2", 9120, 9121, 9122),
    ]


def test_ranges_pair_with_addresses(tmp_path: Path) -> None:
    text = "nodes: {'gpu[08-10]': {address: '10.0.1.[18-20]', serve_address: 'fd00::[1,3,5]'}}\n"
    nodes = loaded(tmp_path, text).spec.nodes
    assert [(n.name, n.address, n.serve_address) for n in nodes] == [
        ("gpu08", "10.0.1.18", "fd00::1"),
        ("gpu09", "10.0.1.19", "fd00::3"),
        ("gpu10", "10.0.1.20", "fd00::5"),
    ]


PRECEDENCE = """
ssh: {user: top, port: 1}
labels: {a: top, b: top, c: top}
timeouts: {start: 1m, load: 20m}
runtime: {environment: {A: top, B: top}, arguments: [--top]}
groups:
  g:
    ssh: {port: 2, become: true}
    labels: {b: group, c: group}
    runtime: {environment: {B: group}, arguments: [--group]}
nodes:
  n:
    groups: [g]
    labels: {c: node}
    ssh: {become: false}
  m: {}
"""


def test_a_node_goes_before_its_group_and_the_group_before_the_top(tmp_path: Path) -> None:
    """Mappings join key by key; lists are taken whole."""
    node = loaded(tmp_path, PRECEDENCE).spec.node("n")
    assert (node.ssh.user, node.ssh.port, node.ssh.become) == ("top", 2, None)
    assert node.labels == {"a": "top", "b": "group", "c": "node"}
    assert node.runtime.environment == {"A": "top", "B": "group"}
    assert node.runtime.arguments == ("--group",)
    assert node.timeouts == Timeouts(start=60.0, load=1200.0)


def test_every_setting_tells_where_it_came_from(tmp_path: Path) -> None:
    origins = loaded(tmp_path, PRECEDENCE).origins["n"]
    assert origins["ssh.user"] == Origin("top", "top level", 4)
    assert origins["ssh.port"] == Origin("2", "group g", 10)
    assert origins["ssh.become"] == Origin("false", "node n", 17)
    assert origins["labels.c"] == Origin("node", "node n", 16)
    assert origins["runtime.environment.B"] == Origin("group", "group g", 12)
    assert origins["timeouts.load"] == Origin("20m", "top level", 6)
    assert origins["timeouts.drain"] == Origin("5m", "default", 0)


def test_the_top_levels_directory_is_this_machines_too_where_it_carries_a_router(tmp_path: Path) -> None:
    spec = loaded(tmp_path, "directory: /srv/d\nnodes: {n1: , n2: {directory: /srv/e}}\n").spec
    assert [node.directory for node in spec.nodes] == ["/srv/d", "/srv/e"]
    assert Session(SimpleNamespace(spec=spec)).node("local").directory == "/srv/d"  # type: ignore[arg-type]


def test_a_node_without_the_group_has_the_top_level_alone(tmp_path: Path) -> None:
    node = loaded(tmp_path, PRECEDENCE).spec.node("m")
    assert (node.ssh.port, node.ssh.become, node.runtime.arguments) == (1, None, ("--top",))


def test_a_key_set_by_two_groups_is_decided_by_the_node(tmp_path: Path) -> None:
    groups = "groups: {a: {servers: none}, b: {servers: {per: 2}}}\n"
    node = loaded(tmp_path, groups + "nodes: {n: {groups: [a, b], servers: {per: 3}}}\n").spec.node("n")
    assert len(node.servers) == 3


@pytest.mark.parametrize(
    ("top", "own", "count"), [("none", "{per: 2}", 2), ("{per: 2, ports: 9500}", "none", 0)]
)
def test_servers_none_and_servers_replace_each_other(tmp_path: Path, top: str, own: str, count: int) -> None:
    node = loaded(tmp_path, f"servers: {top}\nnodes: {{n: {{servers: {own}}}}}\n").spec.node("n")
    assert len(node.servers) == count


def test_secrets_are_taken_whole(tmp_path: Path) -> None:
    """A secret in a file at the node is not mixed with one in a variable above."""
    text = "ssh: {password: {env: A}, become: true}\nnodes: {n: {ssh: {password: {file: b}}}, m: }\n"
    spec = loaded(tmp_path, text).spec
    assert spec.node("n").ssh.password == SecretRef("file", ("b",))
    assert spec.node("m").ssh.password == SecretRef("env", ("A",))
    assert spec.node("m").ssh.become == Become(None)


def test_an_external_node_does_not_inherit_how_servers_are_started(tmp_path: Path) -> None:
    text = "runtime: {path: /opt/t, arguments: [--x]}\nnodes: {n: {runtime: {kind: external}}, m: }\n"
    spec = loaded(tmp_path, text).spec
    assert spec.node("n").runtime == Runtime(RuntimeKind.EXTERNAL)
    assert spec.node("m").runtime.path == "/opt/t"


def test_jump_of_no_hops_overrules_jumps_above(tmp_path: Path) -> None:
    spec = loaded(tmp_path, "ssh: {jump: [a, u@b:23]}\nnodes: {n: {ssh: {jump: []}}, m: }\n").spec
    assert (spec.node("n").ssh.jump, spec.node("m").ssh.jump) == ((), ("a", "u@b:23"))


def test_paths_start_at_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "models" / "m").mkdir(parents=True)
    (tmp_path / "inv").mkdir()
    text = (
        "ssh: {key: keys/k, known_hosts: ../known}\nnodes: {n: }\n"
        "models: {m: {source: ../models/m}, o: {source: 'node:/srv/o'}}\nstore: {url: 'sqlite:///../r.db'}\n"
    )
    inventory = loaded(tmp_path / "inv", text)
    ssh = inventory.spec.node("n").ssh
    assert (ssh.key, ssh.known_hosts) == (tmp_path / "inv/keys/k", tmp_path / "known")
    assert inventory.spec.model("m").source == Source("folder", str(tmp_path / "models/m"))
    assert inventory.spec.model("o").source == Source("node", "/srv/o")
    assert inventory.store.url == f"sqlite:///{tmp_path}/r.db"


@pytest.mark.parametrize("word", ["on", "off", "auto"])
def test_on_of_routers_and_replay_work_unquoted(tmp_path: Path, word: str) -> None:
    """YAML 1.1 takes `on` for true; here it is the word it looks like."""
    text = f"nodes: {{n: }}\nmodels: {{m: {{source: 'node:/m', replay: {word}}}}}\n"
    text += "routers: {main: {on: [n]}}\n"
    spec = loaded(tmp_path, text).spec
    assert (spec.model("m").replay, spec.router("main").on) == (word, ("n",))


@pytest.mark.parametrize("word", ["no", "0123", "22:22", "2024-05-01", "1e3", "0x1F", "12", "true", "null"])
def test_quoted_words_are_text(tmp_path: Path, word: str) -> None:
    spec = loaded(tmp_path, f'nodes: {{n: {{labels: {{x: "{word}"}}}}}}\n').spec
    assert spec.node("n").labels == {"x": word}


def test_a_modest_alias_is_fine(tmp_path: Path) -> None:
    spec = loaded(tmp_path, "nodes:\n  n: {labels: &l {x: z}}\n  m: {labels: *l}\n").spec
    assert spec.node("m").labels == {"x": "z"}


@pytest.mark.parametrize(
    ("places", "address", "bound"),
    [
        ("[local]", "", "127.0.0.1"),
        ("[lb1]", "", "0.0.0.0"),
        ("['lb[1-2]']", "", "0.0.0.0"),
        ("[lb1]", "address: 10.0.0.9", "10.0.0.9"),
        ("[lb1, lb2]", "address: '::'", "::"),
        ("[lb1, local]", "address: 0.0.0.0", "0.0.0.0"),
    ],
)
def test_a_router_listens_everywhere_on_nodes_and_on_loopback_here(
    tmp_path: Path, places: str, address: str, bound: str
) -> None:
    text = f"servers: none\nnodes: {{'lb[1-2]': }}\nrouters: {{main: {{on: {places}, {address}}}}}\n"
    assert loaded(tmp_path, text).spec.router("main").address == bound


@pytest.mark.parametrize(
    "nodes",
    [
        "n: {address: 127.0.0.1, serve_address: 192.168.56.11, ssh: {port: 2222}}\n"
        "  m: {address: 127.0.0.1, serve_address: 192.168.56.12, ssh: {port: 2200}}",
        "n: {address: shop.example.com, serve_address: 10.9.0.1, ssh: {port: 2201}}\n"
        "  m: {address: shop.example.com, serve_address: 10.9.0.2, ssh: {port: 2202}}",
        "n: {address: 10.0.0.1, serve_address: 127.0.0.1}\n"
        "  m: {address: 10.0.0.2, serve_address: 127.0.0.1}",
    ],
    ids=["forwarded ports of virtual machines", "behind one address", "loopback of two machines"],
)
def test_machines_that_only_look_alike_do_not_share_ports(tmp_path: Path, nodes: str) -> None:
    assert len(loaded(tmp_path, f"nodes:\n  {nodes}\n").spec.servers) == 2


def test_a_router_beside_a_loopback_server_is_fine(tmp_path: Path) -> None:
    text = "nodes: {n: {address: 10.0.0.1, serve_address: 127.0.0.1}}\nrouters: {main: {on: [n]}}\n"
    assert loaded(tmp_path, text).spec.router("main").on == ("n",)


def test_replicas_may_fill_every_server_that_fits(tmp_path: Path) -> None:
    text = (
        "nodes: {'n[1-2]': {servers: {per: 2}, labels: {gpu: a}}, 'm[1-2]': }\n"
        "models: {m: {source: 'node:/m', replicas: 4, where: {gpu: a}, timeouts: {total: 1m30s}}}\n"
    )
    model = loaded(tmp_path, text).spec.model("m")
    assert (model.replicas, model.timeouts) == (4, RequestTimeouts(total=90.0))


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        ("", PrefixSpec("prompt", length=256, bound=1.25)),
        (", prefix: {key: prompt:100, bound: 2}", PrefixSpec("prompt", length=100, bound=2.0)),
        (", prefix: {key: header:X-Tenant}", PrefixSpec("header", "x-tenant")),
        (", prefix: {key: session}", PrefixSpec("session")),
    ],
)
def test_a_prefix_is_what_requests_have_in_common(tmp_path: Path, said: str, prefix: PrefixSpec) -> None:
    text = f"nodes: {{n: }}\nmodels: {{m: {{source: 'node:/m', policy: prefix{said}}}}}\n"
    model = loaded(tmp_path, text).spec.model("m")
    assert (model.policy, model.prefix) == ("prefix", prefix)


def test_time_outs_of_requests_are_seconds_and_bounded_by_the_total(tmp_path: Path) -> None:
    times = "{connect: 300ms, queue: 2s, first: 30s, idle: 1m, total: 10m}"
    text = (
        f"nodes: {{n: }}\nmodels: {{m: {{source: 'node:/m', timeouts: {times}}}, o: {{source: 'node:/o'}}}}\n"
    )
    spec = loaded(tmp_path, text).spec
    assert spec.model("m").timeouts == RequestTimeouts(0.3, 2.0, 30.0, 600.0, 60.0)
    assert spec.model("o").timeouts == RequestTimeouts(total=600.0)
    assert (spec.model("o").policy, spec.model("o").prefix) == (None, None)


def test_a_store_keeps_its_url_and_the_place_of_its_password(tmp_path: Path) -> None:
    text = "nodes: {n: }\nstore: {url: 'postgresql://d@db/d', password: {command: [pass, show, d]}}\n"
    store = loaded(tmp_path, text).store
    assert store.url == "postgresql://d@db/d"
    assert store.password == SecretRef("command", ("pass", "show", "d"))


def test_windows_line_ends_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(b"\xef\xbb\xbfversion: 1\r\ncluster: prod\r\nnodes:\r\n  gpu01:\r\n")
    assert load(file).spec.nodes[0].name == "gpu01"
