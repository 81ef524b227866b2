#!/bin/sh
# Written by distctl. Triton's python backend runs this instead of its own stub, which it becomes in the
# environment that the lock beside it names: the packages of this model's requirements.txt and no others.
# Arguments are Triton's: the 1st is model.py, the 6th the folder of the python backend. Without any it is a
# trial, and 1 is the answer that Triton waits for.
[ $# -ge 6 ] || exit 1
model=${0%/*} unit=${0%/repository/*}
root=${unit%/units/*} backend=$6

found=$(python3 -I -c 'import os, sys
print("%d.%d" % sys.version_info[:2], os.path.realpath(sys.executable))') || exit 1
version=${found%% *} interpreter=${found#* } environment=
while read -r word target digest; do
    case "$word $target" in "environment $version-$(uname -m)-"*)
        [ ! -d "$root/environments/$digest" ] || environment=$digest ;;
    esac
done < "$model/distctl.lock"

if [ -z "$environment" ]; then
    # A stub that only ended would leave Triton waiting; this one tells it why.
    mkdir -p "$unit/environments/none"
    missing="the environment of its requirements.txt for Python $version is not on this node: run distctl up"
    missing="$missing (in a container, runtime.python must be $version)"
    echo "raise RuntimeError('$missing')" > "$unit/environments/none/model.py"
    shift
    exec "$backend/triton_python_backend_stub" "$unit/environments/none/model.py" "$@"
fi

# The stub finds its packages through the first python3 on PATH, so that one stands in an environment of links.
# Its name says all that is in it: it is made once and never changed.
place=$unit/environments/$environment$(printf %s "$interpreter" | tr / _)
if [ ! -d "$place" ]; then
    mkdir -p "$unit/environments" && new=$(mktemp -d "$unit/environments/.new.XXXXXX") || exit 1
    mkdir -p "$new/bin" "$new/lib/python$version" && chmod 755 "$new"
    ln -s "$interpreter" "$new/bin/python3"
    ln -s "$root/environments/$environment/site-packages" "$new/lib/python$version/site-packages"
    printf 'home = %s\nversion = %s\n' "${interpreter%/*}" "$version" > "$new/pyvenv.cfg"
    mv -T "$new" "$place" 2>/dev/null || rm -rf "$new"
fi
PATH=$place/bin:$PATH exec "$backend/triton_python_backend_stub" "$@"
