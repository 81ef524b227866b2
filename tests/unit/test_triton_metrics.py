"""Which GPUs Triton's metrics name.

The first lines are those that a Triton 20.03 printed in a public thread of triton-inference-server/server
("metrics about Count and Latency"), the second a newer one's that has no GPU, shortened.
"""

from distctl.adapters.triton_http import parse_gpus

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
    assert parse_gpus(WITH_A_GPU) == ("GPU-d4d0dbb0-037e-652e-6df4-a742b597738c",)


def test_each_gpu_counts_once_whatever_is_said_of_it() -> None:
    lines = [
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-a"} 16944988160.000000',
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-b"} 16944988160.000000',
        'nv_gpu_memory_used_bytes{gpu_uuid="GPU-a"} 7451181056.000000',
    ]
    assert parse_gpus("\n".join(lines)) == ("GPU-a", "GPU-b")


def test_a_server_without_gpus_reports_none() -> None:
    assert parse_gpus(WITHOUT) == ()
    assert parse_gpus("") == ()


def test_a_model_that_names_its_gpu_is_no_device_of_the_server() -> None:
    """Old versions put the label on every model's counters; the GPUs themselves have lines of their own."""
    assert parse_gpus('nv_inference_count{gpu_uuid="GPU-a",model="m",version="1"} 3') == ()
