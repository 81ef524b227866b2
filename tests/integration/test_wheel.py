"""The wheel, in an empty environment outside the checkout, is the whole program."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DISTCTL_INVENTORY"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    tracked = run("git", "ls-files", "-z", cwd=CHECKOUT).stdout.split("\0")
    for name in filter(None, tracked):
        if (CHECKOUT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `distctl` of an environment that has the locked requirements and this wheel alone."""
    folder = tmp_path_factory.mktemp("empty") / "environment"
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "-r", CHECKOUT / "requirements.lock", cwd=folder)
    run(*pip, "--no-deps", wheel, cwd=folder)
    return folder / "bin" / "distctl"


def test_wheel_carries_templates_inventories_and_models(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "distctl/_data/templates/haproxy/haproxy.cfg.j2",
        "distctl/_data/inventory/prod.yaml",
        "distctl/_data/model_repo/digits/config.pbtxt",
    ):
        assert wanted in names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_environment_is_outside_the_checkout(installed: Path) -> None:
    python = installed.with_name("python")
    where = run(python, "-c", "import distctl; print(distctl.__file__)", cwd=installed.parent).stdout
    assert str(CHECKOUT) not in where


def test_init_plan_and_router_config_find_their_files(installed: Path, tmp_path: Path) -> None:
    run(installed, "init", cwd=tmp_path)
    schema = json.loads(run(installed, "inventory", "--schema", cwd=tmp_path).stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    config = run(installed, "router", "config", "main", cwd=tmp_path).stdout
    assert "backend digits_r" in config
    planned = json.loads(run(installed, "plan", "-o", "json", cwd=tmp_path).stdout)
    assert {"StartServer", "SetRouterUp"} <= {step["operation"] for step in planned["steps"]}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_first_inventory_serves_a_real_request(installed: Path, tmp_path: Path) -> None:
    """`init`, `up`, `infer` and `down`, as a new user without a checkout types them."""
    run(installed, "init", "--cluster", f"wheel-{os.getpid()}", cwd=tmp_path)
    file = tmp_path / "cluster.yaml"
    http, grpc, metrics = (free_port() for _ in range(3))
    text = file.read_text().replace("ports: 9000", "ports: 19000").replace("ports: 9100", "ports: 19100")
    file.write_text(text + f"    ports: {{http: {http}, grpc: {grpc}, metrics: {metrics}}}\n")
    try:
        run(installed, "up", "-y", cwd=tmp_path)
        for protocol in ((), ("--grpc",)):
            done = run(installed, "infer", "digits", "-o", "json", *protocol, cwd=tmp_path)
            answer = json.loads(done.stdout)
            assert answer["outputs"]["DIGIT"] == answer["expected"]["DIGIT"]
    finally:
        run(installed, "down", "-y", cwd=tmp_path)
