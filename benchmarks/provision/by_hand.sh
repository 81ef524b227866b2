#!/bin/sh
# What `distctl up` does, by hand: sh by_hand.sh SSH_CONFIG RUNTIME MODEL START ADDRESS...
# In parallel for every address: the runtime and the model are copied and unpacked, Triton is started away
# from the session, and the model is waited for.
set -eu
config=$1 runtime=$2 model=$3 start=$4
shift 4

provision() {
    scp -q -r -F "$config" "$runtime" "$model" "$start" "root@$1:/root/"
    ssh -n -F "$config" "root@$1" 'set -e
        mkdir -p serving/runtime serving/repository
        tar -xzf runtime.tar.gz -C serving/runtime
        mv floats serving/repository/ && mv start.sh serving/
        setsid sh serving/start.sh > serving/log 2>&1 < /dev/null &'
    tries=0
    until curl -sf -o /dev/null --max-time 1 "http://$1:9000/v2/models/floats/ready"; do
        tries=$((tries + 1))
        [ "$tries" -lt 1200 ] || { echo "$1 is not ready" >&2; return 1; }
        sleep 0.1
    done
}

pids=
for address in "$@"; do
    provision "$address" &
    pids="$pids $!"
done
failed=0
for pid in $pids; do wait "$pid" || failed=1; done
exit "$failed"
