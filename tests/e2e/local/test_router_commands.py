"""`distctl router`: drained, brought back, stopped and launched by the real command line, under load."""

from __future__ import annotations

import pytest
from local_cluster import local_cluster


@pytest.mark.nightly
def test_a_router_is_drained_brought_back_stopped_and_launched() -> None:
    with local_cluster(nodes=1, models={"digits": 1}, router={"lame_duck": "500ms"}) as cluster:
        cluster.up()
        refused = cluster.run("router", "drain", "main", check=8)
        assert "router main would run nowhere" in refused.err, refused
        unknown = cluster.run("router", "drain", "mian", check=2)
        assert "did you mean `main`?" in unknown.err, unknown
        cluster.json("router", "drain", "main", "-m", "kernel", "--force")
        (router,) = cluster.json("status")["routers"]
        assert router["intent"]["life"] == "drain" and "kernel" in router["intent"]["why"]
        assert router["observed"]["state"] == "drained"
        assert not cluster.process("local", "router-main")
        cluster.nothing_to_do()
        cluster.run("router", "undrain", "main")
        cluster.wait_whole()
        with cluster.load("digits:http", "digits:grpc") as load:
            cluster.up()
        load.report.require_whole(at_least=20)
        cluster.run("router", "stop", "main@local", "--force")
        assert not (cluster.root("local") / "units/router-main").exists()
        cluster.run("router", "launch")
        cluster.wait_whole()
        cluster.run("router", "scale", "0", "--force")
        assert not cluster.process("local", "router-main")
        cluster.run("router", "scale", "main=auto")
        cluster.wait_whole()
