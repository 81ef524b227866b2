"""The whole estate under all kinds of clients: a router that is killed, drained, reloaded, renewed."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import certificates
import pytest
from contract import require_contract
from estate import HELD, REPLAYED, ROUTER, SETTLE, Figure, everybody, tell
from pair import Pair

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]


def test_a_killed_router_costs_its_open_connections(whole: Pair, figure: Figure) -> None:
    holder, other = whole.holder(), whole.other()
    supervisor = "$(pgrep -f '[s]upervise .*router-main')"
    with everybody(whole, patient=True) as load:
        time.sleep(SETTLE)
        holder.run(f"kill -STOP {supervisor}")  # it is not started again at once
        holder.run("pkill -KILL -x haproxy")
        time.sleep(5)
        assert whole.holder() is other
        holder.run(f"kill -CONT {supervisor}")
        time.sleep(SETTLE)
    tell(figure, "router SIGKILLed", load.report, require_contract(load.report, (*REPLAYED, *HELD)))


def test_a_router_is_drained_behind_the_address_without_a_loss(whole: Pair, figure: Figure) -> None:
    holder, other = whole.holder(), whole.other()
    with everybody(whole) as load:
        time.sleep(SETTLE)
        whole.operator.run("router", "drain", f"main@{holder.name}", "-m", "new kernel")
        assert not holder.run("pgrep -x haproxy", check=False).stdout
        assert whole.holder() is other
        time.sleep(SETTLE)
        whole.operator.run("router", "undrain", f"main@{holder.name}")
        time.sleep(SETTLE)
    tell(figure, "router drained and brought back", load.report)
    load.report.require_whole(at_least=500)


def test_a_reload_every_second_for_a_minute_loses_nothing(whole: Pair, figure: Figure) -> None:
    """Of both routers; one of them with other time-outs, as `up` brings them."""
    with everybody(whole) as load:
        for second in range(60):
            began = time.monotonic()
            for place in whole.places:
                place.run("kill -USR2 $(pgrep -o -x haproxy)")
            if second == 30:
                whole.write(**ROUTER, replay_limit="64KiB")
                up = whole.operator.start("up", "-y")
            time.sleep(max(0.0, began + 1.0 - time.monotonic()))
        said = "".join(up.communicate(timeout=60))
    tell(figure, "reload every second for a minute", load.report)
    assert up.returncode == 0, said
    load.report.require_whole(at_least=2000)
    whole.write(**ROUTER)
    whole.operator.run("up", "-y")


def test_another_certificate_loses_nothing(whole: Pair, figure: Figure, tmp_path: Path) -> None:
    folder, authority = whole.operator.folder, certificates.make("authority")
    trusted = tmp_path / "authority.pem"
    trusted.write_text(authority.pem)

    def renew() -> int:
        made = certificates.make("router", authority, address=whole.address)
        (folder / "router.crt").write_text(made.pem)
        (folder / "router.key").write_text(made.key)
        (folder / "router.key").chmod(0o600)
        whole.operator.run("up", "-y")
        return int(made.certificate.serial_number)

    whole.write(**ROUTER, tls={"certificate": "router.crt", "key": {"file": "router.key"}})
    renew()
    with everybody(whole, authority=trusted) as load:
        serials = [renew() for _ in range(2)]
        time.sleep(SETTLE)
    for place in whole.places:
        shown = ssl.get_server_certificate((place.address, 8000)).encode()
        assert certificates.x509.load_pem_x509_certificate(shown).serial_number == serials[-1]
    tell(figure, "two new certificates", load.report)
    load.report.require_whole(at_least=500)
    whole.write(**ROUTER)
    whole.operator.run("up", "-y")
