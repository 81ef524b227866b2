"""Every model's configuration is one that Triton reads, runs on a CPU, and can be served under any name."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

PROJECT = Path(__file__).parents[3]
FOLDERS = [
    folder
    for repository in (PROJECT / "model_repo", PROJECT / "tests" / "models")
    for folder in sorted(repository.iterdir())
]
NVIDIA_EXAMPLES = {
    "simple": ("INT32", {"INPUT0": [16], "INPUT1": [16]}, {"OUTPUT0": [16], "OUTPUT1": [16]}),
    "simple_int8": ("INT8", {"INPUT0": [16], "INPUT1": [16]}, {"OUTPUT0": [16], "OUTPUT1": [16]}),
    "simple_string": ("STRING", {"INPUT0": [16], "INPUT1": [16]}, {"OUTPUT0": [16], "OUTPUT1": [16]}),
    "simple_identity": ("STRING", {"INPUT0": [-1]}, {"OUTPUT0": [-1]}),
    "simple_sequence": ("INT32", {"INPUT": [1]}, {"OUTPUT": [1], "SUM": [1]}),
    "simple_dyna_sequence": ("INT32", {"INPUT": [1]}, {"OUTPUT": [1]}),
    "simple_string_dyna_sequence": ("INT32", {"INPUT": [1]}, {"OUTPUT": [1]}),
}


def configuration(folder: Path) -> model_config_pb2.ModelConfig:
    """A model's configuration, read as Triton reads it: an unknown field is an error."""
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_configuration_is_of_the_python_backend_on_a_cpu_and_names_nothing(folder: Path) -> None:
    config = configuration(folder)
    assert config.backend == "python"
    assert config.name == ""
    assert [(group.count, group.kind) for group in config.instance_group] == [
        (1, model_config_pb2.ModelInstanceGroup.KIND_CPU)
    ]
    assert (folder / "1" / "model.py").is_file()


@pytest.mark.parametrize("model", NVIDIA_EXAMPLES)
def test_nvidias_examples_keep_their_names_types_and_shapes(model: str) -> None:
    datatype, inputs, outputs = NVIDIA_EXAMPLES[model]
    config = configuration(PROJECT / "model_repo" / model)
    kinds = {model_config_pb2.DataType.Name(t.data_type) for t in (*config.input, *config.output)}
    assert kinds == {f"TYPE_{datatype}"}
    assert {tensor.name: list(tensor.dims) for tensor in config.input} == inputs
    assert {tensor.name: list(tensor.dims) for tensor in config.output} == outputs
    assert config.max_batch_size == 8


@pytest.mark.parametrize("model", ["repeat_int32", "textgen"])
def test_what_streams_is_decoupled_and_not_batched(model: str) -> None:
    config = configuration(PROJECT / "model_repo" / model)
    assert config.model_transaction_policy.decoupled
    assert config.max_batch_size == 0
