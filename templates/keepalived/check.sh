#!/usr/bin/env bash
# Whether the router of this place answers: check PORT. keepalived starts it each second at the soonest; it asks
# three times in that second, and once more before it says no. A router that hangs is as dead as one that is gone.
ask() {
    exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 && read -r -t 0.5 line <&3 &&
        [[ $line == HTTP/* ]]
}
for pause in 0.3 0.3 0.2; do
    ask "$1" 2>/dev/null || { sleep 0.05; ask "$1" 2>/dev/null; } || exit 1
    sleep "$pause"
done
