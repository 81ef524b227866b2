"""A look reads the configurations of models that lie on the node, whatever stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_parts import make_place

from distctl.adapters.local import LocalConnector
from distctl.adapters.node_site import NodeSite
from distctl.commands.look import LARGEST_CONFIG

SEQUENCES = "sequence_batching { max_sequence_idle_microseconds: 5000000 }\n"


@pytest.mark.parametrize(
    ("config", "state", "idle"),
    [
        ("max_batch_size: 8\n", "stateless", None),
        (None, "stateless", None),
        ("", "stateless", None),
        (SEQUENCES, "stateful", "5"),
        ("\n@@distctl end\n@@distctl owner\n" + SEQUENCES, "stateful", "5"),
        ("#" * LARGEST_CONFIG + SEQUENCES, "unread", "1"),
    ],
)
def test_a_configuration_on_the_node_is_read(
    tmp_path: Path, config: str | None, state: str, idle: str | None
) -> None:
    folder = tmp_path / "a folder's"
    folder.mkdir()
    if config is not None:
        (folder / "config.pbtxt").write_text(config)
    node = make_place(tmp_path, lambda _: "none").node
    models = {"x.y": f"{folder}/", "gone": "/no/such"}
    site = NodeSite(node, LocalConnector(node), "suite", lambda _: "none", models=models)
    sight = site.look()
    assert sight.reachable, sight.error
    assert sight.facts["model.x.y"] == state
    assert sight.facts.get("model.x.y.idle") == idle
    assert (sight.facts["model.gone"], sight.facts["model.gone.unread"]) == (
        "unread",
        "there is no folder /no/such",
    )
    if state == "unread":
        assert f"has more than {LARGEST_CONFIG} bytes" in sight.facts["model.x.y.unread"]
