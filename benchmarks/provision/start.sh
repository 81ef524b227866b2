#!/bin/sh
# Triton with NumPy 1 first on the path of its python backend.
cd "${0%/*}" || exit 1
home=$(pwd -P)
python=$(readlink -f "$(command -v @PYTHON@)")
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
mkdir -p python/bin "python/lib/python$version"
ln -sfn "$python" python/bin/python3
ln -sfn "$home/runtime/python/site-packages" "python/lib/python$version/site-packages"
printf 'home = %s\nversion = %s\n' "${python%/*}" "$version" > python/pyvenv.cfg
exec env -i HOME="$home" LANG=C.UTF-8 PATH="$home/python/bin:/usr/bin:/bin" \
    LD_LIBRARY_PATH="$home/runtime/lib:@LIBRARY@" runtime/bin/tritonserver \
    --model-repository="$home/repository" --backend-directory="$home/runtime/backends" \
    --model-control-mode=explicit --load-model=floats --strict-readiness=false \
    --http-port=9000 --grpc-port=9001 --metrics-port=9002
