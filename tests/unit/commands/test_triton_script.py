"""Triton's start script: the same bytes for the same wish, another digest for other settings."""

from dataclasses import replace

import pytest

from distctl.cluster.spec import Server, ServerId
from distctl.commands.triton import (
    Python,
    TritonSettings,
    bind_address,
    memory_prefix,
    run_script,
    settings_digest,
    visible_devices,
)

SERVER = Server(ServerId("gpu01", "default"), "10.0.1.11", 9000, 9001, 9002)
SETTINGS = TritonSettings(
    "10.0.1.11", runtime="46c7c3045e126d94", python=Python("3.11", "/usr/bin/python3.11", "/lib/x")
)

EXPECTED = """\
#!/bin/sh
# settings: {digest}
# Written by distctl: the command line of server gpu01/default.
cd "${{0%/*}}" || exit 1
unit=$(pwd -P)
triton="${{unit%/units/*}}/runtime/46c7c3045e126d94"
mkdir -p python/bin python/lib/python3.11 || exit 1
ln -sfn /usr/bin/python3.11 python/bin/python3
ln -sfn "$triton/python/site-packages" python/lib/python3.11/site-packages
printf 'home = %s\\nversion = %s\\n' /usr/bin 3.11 > python/pyvenv.cfg
path="$unit/python/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
libraries="$triton/lib:"/lib/x
read -r key < key || exit 1
mkdir -p repository
tritonserver() {{
    exec env -i HOME="$unit" LANG=C.UTF-8 PATH="$path" LD_LIBRARY_PATH="$libraries" \\
        "$triton/bin/tritonserver" "$@"
}}
large=$( (tritonserver --help) 2>&1 | grep -o -m 1 -e --http-max-input-size) # older ones have none
tritonserver ${{large:+"$large=2147483647"}} \\
    --model-repository="$unit/repository" \\
    --model-control-mode=explicit \\
    --strict-readiness=false \\
    --exit-on-error=false \\
    --exit-timeout-secs=30 \\
    --http-address=10.0.1.11 \\
    --http-port=9000 \\
    --grpc-address=10.0.1.11 \\
    --grpc-port=9001 \\
    --metrics-address=10.0.1.11 \\
    --metrics-port=9002 \\
    --http-restricted-api=model-repository,shared-memory,trace,logging:distctl-key="$key" \\
    --grpc-restricted-protocol=model-repository,shared-memory,trace,logging:distctl-key="$key" \\
    --backend-directory="$triton/backends" \\
    --backend-config=python,shm-region-prefix-name={prefix} \\
    --load-model=digits \\
    --load-model=simple
"""


@pytest.mark.parametrize(
    ("gpus", "line"),
    [
        (("GPU-1",), '        CUDA_VISIBLE_DEVICES=GPU-1 "$triton/bin/tritonserver" "$@"'),
        (("GPU-1", "GPU-2"), '        CUDA_VISIBLE_DEVICES=GPU-1,GPU-2 "$triton/bin/tritonserver" "$@"'),
        ((), '        CUDA_VISIBLE_DEVICES=\'\' "$triton/bin/tritonserver" "$@"'),
    ],
)
def test_a_server_sees_its_devices_alone_and_nothing_else_changes(gpus, line):
    given = replace(SETTINGS, environment=visible_devices(replace(SERVER, gpus=gpus)))
    plain, script = (run_script("/r", SERVER, how, []).splitlines() for how in (SETTINGS, given))
    changed = [(before, after) for before, after in zip(plain, script, strict=True) if before != after]
    assert changed[1:] == [('        "$triton/bin/tritonserver" "$@"', line)]
    assert settings_digest("/r", SERVER, given) != settings_digest("/r", SERVER, SETTINGS)


def test_a_server_that_sees_all_is_started_as_ever():
    assert visible_devices(SERVER) == {}


def test_the_script_in_full():
    script = run_script("/r", SERVER, SETTINGS, ["simple", "digits", "simple"])
    digest, prefix = settings_digest("/r", SERVER, SETTINGS), memory_prefix("/r", SERVER)
    assert script == EXPECTED.format(digest=digest, prefix=prefix)


def test_models_change_the_script_and_not_the_settings():
    scripts = [run_script("/r", SERVER, SETTINGS, models) for models in ([], ["a"], ["b", "a"], ["a", "b"])]
    assert len(set(scripts)) == 3
    assert len({script.splitlines()[1] for script in scripts}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"bind": "0.0.0.0"},
        {"runtime": "other"},
        {"python": Python("3.10", "/usr/bin/python3.10", "/lib/x")},
        {"environment": {"CUDA_VISIBLE_DEVICES": "1"}},
        {"arguments": ("--log-verbose=1",)},
        {"exit_seconds": 5.0},
    ],
)
def test_every_setting_is_in_the_digest(change):
    assert settings_digest("/r", SERVER, replace(SETTINGS, **change)) != settings_digest(
        "/r", SERVER, SETTINGS
    )


def test_what_an_operator_wrote_stays_one_word_each():
    odd = replace(SETTINGS, environment={"A": "$(reboot) 'x'"}, arguments=("--x=a b; reboot",))
    script = run_script("/r", SERVER, odd, ["m odel"])
    assert "A='$(reboot) '\"'\"'x'\"'\"''" in script
    assert "'--x=a b; reboot'" in script
    assert "'--load-model=m odel'" in script


def test_an_installed_triton_is_run_from_its_own_folder():
    script = run_script("/r", SERVER, TritonSettings("10.0.1.11", path="/opt/tritonserver"), [])
    assert "triton=/opt/tritonserver\n" in script
    assert "pyvenv" not in script


@pytest.mark.parametrize(
    ("host", "addresses", "bind"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("localhost", [], "127.0.0.1"),
        ("10.0.1.11", ["10.0.1.11", "::1"], "10.0.1.11"),
        ("203.0.113.9", ["10.0.1.11"], "0.0.0.0"),
        ("gpu01.example.com", ["10.0.1.11"], "0.0.0.0"),
        ("fd00::2", ["fd00::2"], "fd00::2"),
        ("2001:db8::1", ["fd00::2"], "::"),
    ],
)
def test_a_server_listens_on_its_serve_address_where_the_node_has_it(host, addresses, bind):
    assert bind_address(host, addresses) == bind


def test_servers_of_one_node_and_nodes_of_one_machine_share_no_memory_prefix():
    second = replace(SERVER, id=ServerId("gpu01", "gpu1"))
    assert len({memory_prefix("/a", SERVER), memory_prefix("/b", SERVER), memory_prefix("/a", second)}) == 3
