"""What Triton's metrics say.

The first lines are those that a Triton 20.03 printed in a public thread of triton-inference-server/server
("metrics about Count and Latency"), the second a newer one's that has no GPU, shortened.
"""

import time

import pytest

from distctl.cluster.snapshot import GpuUse, Use
from distctl.errors import TritonError
from distctl.facts.triton_answers import parse_metrics

WITH_A_GPU = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
# TYPE nv_inference_load_ratio histogram
# HELP nv_gpu_utilization GPU utilization rate [0.0 - 1.0)
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-d4d0dbb0-037e-652e-6df4-a742b597738c"} 0.120000
"""
WITHOUT = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="resnet_50",version="1"} 2
# HELP nv_cpu_utilization CPU utilization rate [0.0 - 1.0]
# TYPE nv_cpu_utilization gauge
nv_cpu_utilization 0.05
"""


def test_the_gpus_of_metrics_are_read_from_their_labels() -> None:
    assert parse_metrics(WITH_A_GPU).gpus == ("GPU-d4d0dbb0-037e-652e-6df4-a742b597738c",)


def test_each_gpu_counts_once_whatever_is_said_of_it() -> None:
    lines = [
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-a"} 16944988160.000000',
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-b"} 16944988160.000000',
        'nv_gpu_memory_used_bytes{gpu_uuid="GPU-a"} 7451181056.000000',
    ]
    assert parse_metrics("\n".join(lines)).gpus == ("GPU-a", "GPU-b")


def test_a_server_without_gpus_reports_none() -> None:
    assert parse_metrics(WITHOUT).gpus == ()


def test_a_model_that_names_its_gpu_is_no_device_of_the_server() -> None:
    """Old versions put the label on every model's counters; the GPUs themselves have lines of their own."""
    assert parse_metrics('nv_inference_count{gpu_uuid="GPU-a",model="m",version="1"} 3').gpus == ()


def test_what_waits_counts_by_model_its_versions_together() -> None:
    lines = [
        'nv_inference_pending_request_count{model="digits",version="1"} 3',
        'nv_inference_pending_request_count{model="digits",version="2"} 2',
        'nv_inference_pending_request_count{model="chat",version="1"} 0',
        'nv_inference_pending_request_count{model="odd\\"} {",version="1"} 1',
    ]
    assert parse_metrics("\n".join(lines)).pending == {"digits": 5, "chat": 0, 'odd\\"} {': 1}


def test_what_is_used_is_read_with_its_units() -> None:
    text = """\
nv_gpu_utilization{gpu_uuid="GPU-a"} 0.900000
nv_gpu_memory_total_bytes{gpu_uuid="GPU-a"} 16944988160.000000
nv_gpu_memory_used_bytes{gpu_uuid="GPU-a"} 7451181056.000000
nv_cpu_utilization 0.250000
nv_cpu_memory_total_bytes 1000.000000
nv_cpu_memory_used_bytes 400.000000
"""
    gpu = GpuUse(0.9, 7_451_181_056, 16_944_988_160)
    assert parse_metrics(text).use == Use(0.25, 400, 1000, {"GPU-a": gpu})
    assert parse_metrics(WITHOUT).use == Use(cpu=0.05)


@pytest.mark.parametrize("value", ["nan", "+Inf", "much"])
def test_a_value_that_is_no_number_says_nothing(value: str) -> None:
    assert parse_metrics(f"nv_cpu_utilization {value}\n").use.cpu is None


@pytest.mark.parametrize("text", ["", "<html>It works!</html>", "up 1\n"])
def test_what_is_not_of_triton_is_refused(text: str) -> None:
    with pytest.raises(TritonError, match="no metrics of Triton"):
        parse_metrics(text)


@pytest.mark.parametrize(
    "piece",
    [
        'nv_gpu_x{"',
        'nv_gpu_x{a="b"',
        "nv_gpu_x{" + "a" * 1000,
        'nv_gpu_x{a="\\',
        "nv_gpu_",
        'nv_gpu_x{gpu_uuid="a"} 1\n',
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "} 1\n"])
def test_no_text_takes_long_to_read(piece: str, end: str) -> None:
    """A megabyte, which is the most that is taken from one server; all of them together wait for it."""
    text = (piece + end) * (1_000_000 // len(piece + end))
    before = time.process_time()
    parse_metrics(text)
    parse_metrics("nv_" + text.replace("\n", ""))
    assert time.process_time() - before < 3.0
