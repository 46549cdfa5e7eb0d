"""Generators as models of MLflow: promoted, loaded by address, and served over HTTP as `Generator.sample` draws."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import miniature

import ganpipe
from ganpipe import paths
from ganpipe.config import Params
from ganpipe.errors import ConfigError
from ganpipe.identity import Identity
from ganpipe.sampling.published import Generator
from ganpipe.serving import ServedGenerator, interface_of
from ganpipe.tracking.api import track
from ganpipe.tracking.models import PACKAGES
from ganpipe.tracking.promote import promote
from ganpipe.tracking.store import Store

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {  # inputs, params, arguments of `sample`
    "digits-dcgan": ({"n": [3]}, {"seed": 5}, {"n": 3, "seed": 5}),
    "digits-cgan": ({"n": [3]}, {"seed": 2, "label": "7"}, {"n": 3, "seed": 2, "label": "7"}),
    "emoji-pix2pix": ({"a": PICTURES}, {"seed": 3}, {"a": PICTURES, "seed": 3}),
}


@pytest.fixture
def promoted(
    workspace: Callable[[str], Params],
    trained: Callable[[Params], None],
    migrated_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Generator]:
    """Return a function that trains the miniature of a recipe, registers it as `model`, and returns its generator."""

    def make(recipe: str) -> Generator:
        params = miniature(workspace(recipe))
        trained(params)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shutil.copy(migrated_store, "mlflow.db")
        identity = Identity("d" * 64, "family", "train", "experiment")
        with track("train", params, identity):
            pass
        paths.METRICS.write_text(json.dumps({"domain": {"fd": 12.5}, "n_fake": 40}))
        with track("evaluate", params, identity):
            pass
        run = run_id()
        said = list(promote(run[:8], "model"))
        assert said[0].startswith("models:/model/1 is the generator of run "), said
        return ganpipe.load_generator(paths.MODEL)

    return make


def connected() -> Store:
    store = Store(f"sqlite:///{Path.cwd()}/mlflow.db")
    with store.locked():
        store.connect()
    return store


def run_id() -> str:
    (run,) = connected().attempts("experiment")
    return run.id


def answer(port: int, inputs: dict[str, Any], params: dict[str, Any]) -> Any:
    """What the server predicts for a request, sent as JSON."""
    content = {"inputs": {name: np.asarray(rows).tolist() for name, rows in inputs.items()}, "params": params}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]


def serve(port: int) -> subprocess.Popen[bytes]:
    """Start `mlflow models serve` and wait until it answers; without this checkout on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{Path.cwd()}/mlflow.db", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/model/1", "--env-manager", "local"]
    server = subprocess.Popen([*command, "-p", str(port), "--workers", "1"], env=environment, start_new_session=True)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                return server
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the server does not answer")


@pytest.mark.parametrize("recipe", REQUESTS)
def test_the_served_model_answers_with_what_the_generator_draws(promoted, recipe: str) -> None:
    generator = promoted(recipe)
    inputs, params, arguments = REQUESTS[recipe]
    expected = generator.sample(**arguments)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = serve(port)
    try:
        answered = answer(port, inputs, params)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
    assert isinstance(expected, np.ndarray) and expected.std() > 0
    assert np.array_equal(np.array(answered, np.uint8), expected)


def test_a_promoted_run_is_a_model_and_is_loaded_by_both_addresses_also_after_a_second_promotion(promoted) -> None:
    import mlflow.pyfunc

    generator = promoted("digits-cgan")
    expected = generator.sample(4, seed=9, label="3")
    uri, run = f"sqlite:///{Path.cwd()}/mlflow.db", run_id()
    client = mlflow.MlflowClient(uri)
    version = client.get_model_version("model", "1")
    assert version.run_id == run and version.tags == {"eval/domain/fd": "12.5", "eval/n_fake": "40"}
    assert "| domain/fd | 12.5 |" in version.description
    assert list(promote(run, "model"))[0].startswith("models:/model/2 ")
    for address in ("models:/model/1", "models:/model/2", f"runs:/{run}/model"):
        assert np.array_equal(ganpipe.load_generator(address).sample(4, seed=9, label="3"), expected)
    folder = Path(mlflow.artifacts.download_artifacts("models:/model/2", tracking_uri=uri, registry_uri=uri))
    assert {"MLmodel", "generator.json", "generator.safetensors", "code"} <= {path.name for path in folder.iterdir()}
    assert len(list(folder.rglob("generator.safetensors"))) == 1
    pinned = (folder / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in pinned} == {"mlflow", *PACKAGES} and all(
        "==" in line for line in pinned
    )
    model = mlflow.pyfunc.load_model(str(folder))
    asked = {"seed": 9, "label": "3"}
    assert np.array_equal(model.predict({"n": np.array([4])}, params=asked), expected)
    assert model.predict(model.input_example).shape == (2, 28, 28, 1)


def test_an_unknown_run_name_or_address_is_refused_in_one_line(promoted) -> None:
    promoted("digits-dcgan")
    with pytest.raises(ConfigError, match="run 'nothing' is unknown"):
        list(promote("nothing", "model"))
    with pytest.raises(ConfigError, match="neither / nor :"):
        list(promote(run_id(), "a/b"))
    for address in ("models:/model/7", "models:/other/1", f"runs:/{'0' * 32}/model"):
        with pytest.raises(ConfigError, match=f"{address}: the MLflow store has no such model"):
            ganpipe.load_generator(address)


def test_a_model_pins_all_packages_that_a_generator_loads() -> None:
    code = """
import sys, importlib
from importlib.metadata import packages_distributions
from ganpipe import serving, systems
for name in systems.SYSTEMS:
    systems.system_class(name)
of = packages_distributions()
print(*sorted({package for module in sys.modules for package in of.get(module, ())}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    needed = {"annotated-types", "pydantic_core", "typing-inspection", "typing_extensions"}  # by the pinned ones
    optional = {
        "cuda-bindings",
        "cuda-pathfinder",
        "pydot",
        "setuptools",
        "ruamel.yaml.clib",
    }  # of torch and ruamel.yaml
    assert set(done.stdout.split()) - needed - optional - {"ganpipe"} == set(PACKAGES)


def test_requests_turn_attributes_on_and_off_and_what_is_not_asked_is_drawn(workspace, trained) -> None:
    trained(miniature(workspace("celeba-cgan")))
    generator = ganpipe.load_generator(paths.MODEL)
    interface = interface_of(generator)
    assert interface.inputs == {"n": ("int64", (-1,))} and interface.params == {"seed": 0, "on": [], "off": []}
    first, second = generator.data.names("attributes")[:2]
    served, count = ServedGenerator(generator), {"n": np.array([3])}
    expected = generator.sample(3, seed=1, attributes={first: True, second: False})
    assert np.array_equal(served.predict(count, {"seed": 1, "on": [first], "off": [second]}), expected)
    drawn = served.predict(count, {"seed": 1, "on": [], "off": []})
    assert np.array_equal(drawn, generator.sample(3, seed=1)) and not np.array_equal(drawn, expected)
