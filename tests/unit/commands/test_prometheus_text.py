"""What a Prometheus is given, as text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml
from rehearsal import model, node, spec

from distctl.cluster.spec import Endpoint, RouterId
from distctl.commands.haproxy.kinds import KINDS
from distctl.commands.prometheus import Desk, Target, alerts, rules, scrape, targets

TARGETS = [
    Target(RouterId("main", "lb01"), Endpoint("fd00::1", 8002)),
    Target(RouterId("b", "local"), Endpoint("h", 1)),
]


def relabelled(metric: dict[str, str]) -> dict[str, str]:
    """A series' labels after the rules of the scrape, as Prometheus applies them."""
    (job,) = yaml.safe_load(scrape("prod", TARGETS))["scrape_configs"]
    for rule in job["metric_relabel_configs"]:
        value = ";".join(metric.get(name, "") for name in rule["source_labels"])
        if found := re.fullmatch(rule["regex"], value):
            if rule.get("action") == "drop":
                return {}
            metric = {**metric, rule["target_label"]: found.expand(rule["replacement"].replace("$", "\\"))}
    return metric


def test_each_router_is_scraped_on_its_place_under_its_name() -> None:
    (job,) = yaml.safe_load(scrape("prod", TARGETS))["scrape_configs"]
    asked = [
        (one["targets"], one["labels"]["cluster"], one["labels"]["router"]) for one in job["static_configs"]
    ]
    assert asked == [(["[fd00::1]:8002"], "prod", "main@lb01"), (["h:1"], "prod", "b@local")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.suffix)
def test_pool_of_each_kind_is_taken_apart(kind) -> None:
    name = "a_model_r"  # like a pool itself
    labels = relabelled(
        {"__name__": "haproxy_server_up", "proxy": name + kind.suffix, "server": "gpu-1.gpu0"}
    )
    assert (labels["model"], labels["protocol"], labels["kind"]) == (name, kind.protocol, kind.what)
    assert (labels["node"], labels["server"]) == ("gpu-1", "gpu-1/gpu0")


@pytest.mark.parametrize("proxy", ["clients", "ops", "any:r", "any:g", "refused:g", "keys:digits_r", "self"])
def test_what_is_no_pool_has_no_model(proxy: str) -> None:
    assert not {"model", "protocol", "kind"} & relabelled({"__name__": "haproxy_x", "proxy": proxy}).keys()


def test_states_of_checks_are_left_out() -> None:
    assert relabelled({"__name__": "haproxy_server_check_status", "proxy": "m_r", "server": "n.0"}) == {}


def test_rules_have_names_of_their_own() -> None:
    names = [rule["record"] for group in yaml.safe_load(rules())["groups"] for rule in group["rules"]]
    assert len(set(names)) == len(names) and all(
        re.fullmatch(r"[a-z_]+:distctl_[a-z_]+:[a-z0-9]+", n) for n in names
    )


def test_targets_are_where_the_routers_listen() -> None:
    wanted = spec([node("n1")], [model("digits")])
    assert targets(wanted) == [Target(RouterId("main", "lb"), Endpoint("127.0.0.1", 8002))]
    here = replace(wanted, routers=(replace(wanted.routers[0], on=("local",), address="0.0.0.0"),))
    assert targets(here) == [Target(RouterId("main", "local"), Endpoint("127.0.0.1", 8002))]
    assert targets(spec([node("n1")], [], routers=False)) == []


@pytest.mark.parametrize("token", ["", "/r/prod.controller.token"])
def test_where_a_controller_tells_it_names_routers_and_servers(token: str) -> None:
    whole = yaml.safe_load(scrape("prod", TARGETS, Desk(Endpoint("10.0.0.1", 8090), token)))
    assert whole["rule_files"] == ["distctl-prod.rules.yml", "distctl-prod.alerts.yml"]
    controller, servers, routers = whole["scrape_configs"]
    shown = {"authorization": {"credentials_file": "distctl-prod.controller.token"}} if token else {}
    assert controller["static_configs"] == [{"targets": ["10.0.0.1:8090"], "labels": {"cluster": "prod"}}]
    assert {key: controller[key] for key in shown} == shown
    for role, job in (("server", servers), ("router", routers)):
        url = f"http://10.0.0.1:8090/sd?role={role}"
        assert job["http_sd_configs"] == [{"url": url, "refresh_interval": "15s", **shown}]
        assert "static_configs" not in job and "authorization" not in job
    assert routers["metric_relabel_configs"] and "/r/" not in whole


def test_every_alert_says_how_grave_it_is_and_what_it_is_about() -> None:
    (group,) = yaml.safe_load(alerts())["groups"]
    for rule in group["rules"]:
        assert rule["alert"].startswith("Distctl") and rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
