"""As much of CUDA's driver API as it takes to add two rows on a GPU; no CUDA package is needed.

libcuda comes with NVIDIA's driver. Names and types are those of cuda.h, whose `_v2` functions are the ones
that its plain names stand for.
"""

import ctypes

import numpy as np

# One thread for each number. PTX of this age is compiled by every driver, for every GPU since Pascal.
PTX = b"""
.version 6.0
.target sm_60
.address_size 64
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 sum, .param .u32 count)
{
    .reg .pred %beyond;
    .reg .f32 %x, %y, %z;
    .reg .b32 %n, %block, %width, %thread, %i;
    .reg .b64 %pa, %pb, %ps, %offset;
    ld.param.u64 %pa, [a];
    ld.param.u64 %pb, [b];
    ld.param.u64 %ps, [sum];
    ld.param.u32 %n, [count];
    mov.u32 %block, %ctaid.x;
    mov.u32 %width, %ntid.x;
    mov.u32 %thread, %tid.x;
    mad.lo.s32 %i, %block, %width, %thread;
    setp.ge.u32 %beyond, %i, %n;
    @%beyond bra done;
    cvta.to.global.u64 %pa, %pa;
    cvta.to.global.u64 %pb, %pb;
    cvta.to.global.u64 %ps, %ps;
    mul.wide.u32 %offset, %i, 4;
    add.s64 %pa, %pa, %offset;
    add.s64 %pb, %pb, %offset;
    add.s64 %ps, %ps, %offset;
    ld.global.f32 %x, [%pa];
    ld.global.f32 %y, [%pb];
    add.f32 %z, %x, %y;
    st.global.f32 [%ps], %z;
done:
    ret;
}
"""
THREADS = 256  # in a block
HELD = 64 * 1024 * 1024  # bytes that are kept, so that the process is plain to see on its GPU


def load():
    """The driver's library; RuntimeError where there is none."""
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as problem:
        raise RuntimeError(f"there is no NVIDIA driver here: {problem}") from problem


class Adder:
    """The first GPU that this process sees, with the kernel loaded. `uuid` is as nvidia-smi writes it, without `GPU-` or `MIG-`.

    Raises RuntimeError with CUDA's own name of what went wrong.
    """

    def __init__(self, cuda):
        self._cuda = cuda
        self._call("cuInit", ctypes.c_uint(0))
        device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
        self.uuid = self._uuid(device)
        self._device, self._context = device, ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self._call("cuCtxSetCurrent", self._context)
        module, self._kernel = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(PTX))
        self._call("cuModuleGetFunction", ctypes.byref(self._kernel), module, ctypes.c_char_p(b"add"))
        self._held = self._allocate(HELD)

    def add(self, a, b):
        """The sum of two rows of FP32 of one length, made on the GPU."""
        if not a.size:
            return np.empty_like(a)
        self._call("cuCtxSetCurrent", self._context)  # the backend may call from another thread
        rows = [np.ascontiguousarray(row, dtype=np.float32) for row in (a, b)]
        out = np.empty_like(rows[0])
        size = ctypes.c_size_t(out.nbytes)
        places = []
        try:
            for _ in range(3):
                places.append(self._allocate(out.nbytes))
            for place, row in zip(places, rows):
                self._call("cuMemcpyHtoD_v2", place, ctypes.c_void_p(row.ctypes.data), size)
            self._launch(*places, out.size)
            self._call("cuMemcpyDtoH_v2", ctypes.c_void_p(out.ctypes.data), places[2], size)
        finally:
            for place in places:
                self._call("cuMemFree_v2", place)
        return out

    def close(self):
        """Gives the GPU back."""
        self._call("cuCtxSetCurrent", self._context)
        self._call("cuMemFree_v2", self._held)
        self._call("cuDevicePrimaryCtxRelease_v2", self._device)

    def _launch(self, a, b, out, count):
        arguments = [a, b, out, ctypes.c_uint(count)]
        pointers = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(argument) for argument in arguments))
        grid, block = [(count + THREADS - 1) // THREADS, 1, 1], [THREADS, 1, 1]
        shape = [ctypes.c_uint(number) for number in [*grid, *block]]
        self._call("cuLaunchKernel", self._kernel, *shape, ctypes.c_uint(0), None, pointers, None)
        self._call("cuCtxSynchronize")

    def _allocate(self, size):
        place = ctypes.c_uint64()  # CUdeviceptr
        self._call("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(size))
        return place

    def _uuid(self, device):
        """Of a MIG device that is its own only by `_v2` (CUDA 11.4 and newer)."""
        raw = (ctypes.c_ubyte * 16)()
        name = "cuDeviceGetUuid_v2" if hasattr(self._cuda, "cuDeviceGetUuid_v2") else "cuDeviceGetUuid"
        self._call(name, ctypes.byref(raw), device)
        text = bytes(raw).hex()
        return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])

    def _call(self, name, *arguments):
        status = getattr(self._cuda, name)(*arguments)
        if status:
            said = ctypes.c_char_p()
            self._cuda.cuGetErrorName(ctypes.c_int(status), ctypes.byref(said))
            raise RuntimeError(f"{name}: {(said.value or b'unknown').decode()} ({status})")
