# ruff: noqa: N802, PLR0917 - names and arguments are those of cuda.h
"""The model of scripts/gpu-check speaks to CUDA's driver as cuda.h has it; here the driver is a stand-in."""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

SOURCE = Path(__file__).parents[3] / "scripts/gpu_models/gpu_add/1/cuda.py"
UUID = bytes(range(16))
OUT_OF_MEMORY = 2


@pytest.fixture(scope="module")
def cuda():
    spec = importlib.util.spec_from_file_location("gpu_add_cuda", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Driver:
    """libcuda in memory: functions with the types of cuda.h, device memory in buffers of this process."""

    TYPES: ClassVar = {
        "cuInit": [c_uint],
        "cuDeviceGet": [POINTER(c_int), c_int],
        "cuDeviceGetUuid_v2": [c_void_p, c_int],
        "cuDevicePrimaryCtxRetain": [POINTER(c_void_p), c_int],
        "cuDevicePrimaryCtxRelease_v2": [c_int],
        "cuCtxSetCurrent": [c_void_p],
        "cuModuleLoadData": [POINTER(c_void_p), c_void_p],
        "cuModuleGetFunction": [POINTER(c_void_p), c_void_p, c_char_p],
        "cuMemAlloc_v2": [POINTER(c_uint64), c_size_t],
        "cuMemFree_v2": [c_uint64],
        "cuMemcpyHtoD_v2": [c_uint64, c_void_p, c_size_t],
        "cuMemcpyDtoH_v2": [c_void_p, c_uint64, c_size_t],
        "cuLaunchKernel": [c_void_p, *[c_uint] * 6, c_uint, c_void_p, POINTER(c_void_p), POINTER(c_void_p)],
        "cuCtxSynchronize": [],
        "cuGetErrorName": [c_int, POINTER(c_char_p)],
    }

    def __init__(self, room: int = 1 << 30) -> None:
        self.room, self.memory, self.calls, self.current = room, {}, [], None
        for name, types in self.TYPES.items():
            setattr(self, name, CFUNCTYPE(c_int, *types)(self._logged(name)))

    def _logged(self, name):
        def run(*arguments):
            self.calls.append(name)
            return getattr(self, f"_{name}", lambda *_: 0)(*arguments) or 0

        return run

    def _cuDeviceGet(self, device, ordinal):
        device[0] = ordinal + 40

    def _cuDeviceGetUuid_v2(self, place, device):
        assert device == 40
        ctypes.memmove(place, UUID, 16)

    def _cuDevicePrimaryCtxRetain(self, context, device):
        context[0] = 0xC0

    def _cuCtxSetCurrent(self, context):
        self.current = context

    def _cuModuleLoadData(self, module, image):
        assert b".entry add(" in ctypes.string_at(image)
        module[0] = 0xD0

    def _cuModuleGetFunction(self, function, module, name):
        assert (module, name) == (0xD0, b"add")
        function[0] = 0xF0

    def _cuMemAlloc_v2(self, place, size):
        if sum(map(len, self.memory.values())) + size > self.room:
            return OUT_OF_MEMORY
        buffer = ctypes.create_string_buffer(size)
        place[0] = ctypes.addressof(buffer)
        self.memory[place[0]] = buffer
        return 0

    def _cuMemFree_v2(self, place):
        del self.memory[place]

    def _cuMemcpyHtoD_v2(self, place, source, size):
        assert len(self.memory[place]) >= size
        ctypes.memmove(place, source, size)

    def _cuMemcpyDtoH_v2(self, target, place, size):
        assert len(self.memory[place]) >= size
        ctypes.memmove(target, place, size)

    def _cuLaunchKernel(self, function, gx, gy, gz, bx, by, bz, shared, stream, arguments, extra):
        assert (function, gy, gz, by, bz, shared, stream, bool(extra)) == (0xF0, 1, 1, 1, 1, 0, None, False)
        a, b, out = (c_uint64.from_address(arguments[index]).value for index in range(3))
        count = c_uint.from_address(arguments[3]).value
        assert gx * bx >= count > (gx - 1) * bx
        rows = [np.frombuffer(self.memory[place], np.float32, count) for place in (a, b)]
        ctypes.memmove(out, (rows[0] + rows[1]).tobytes(), count * 4)

    def _cuGetErrorName(self, status, name):
        name[0] = b"CUDA_ERROR_OUT_OF_MEMORY" if status == OUT_OF_MEMORY else None


@pytest.mark.parametrize("count", [1, 8, 256, 257, 100_000])
def test_two_rows_are_added_and_nothing_is_left_on_the_gpu(cuda, count):
    driver = Driver()
    adder = cuda.Adder(driver)
    a, b = np.arange(count, dtype=np.float32), np.full(count, 0.5, np.float32)
    assert np.array_equal(adder.add(a, b), a + b)
    assert adder.uuid == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert [len(buffer) for buffer in driver.memory.values()] == [cuda.HELD]
    adder.close()
    assert driver.memory == {} and driver.calls[-1] == "cuDevicePrimaryCtxRelease_v2"


def test_empty_rows_need_no_gpu(cuda):
    driver = Driver()
    adder = cuda.Adder(driver)
    before = list(driver.calls)
    assert adder.add(np.empty(0, np.float32), np.empty(0, np.float32)).size == 0
    assert driver.calls == before


def test_an_error_has_cudas_name_and_what_was_allocated_is_freed(cuda):
    driver = Driver(room=cuda.HELD + 1000)
    adder = cuda.Adder(driver)
    row = np.ones(200, np.float32)
    with pytest.raises(RuntimeError, match=r"cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY \(2\)"):
        adder.add(row, row)
    assert [len(buffer) for buffer in driver.memory.values()] == [cuda.HELD]
