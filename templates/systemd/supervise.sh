# Keeps one process of distctl running: sh supervise FOLDER STOP_SECONDS MEMORY_PREFIX LOG_BYTES LOG_KEEP
# It runs FOLDER/run in a session of its own while FOLDER/up exists; after a crash it clears what is left
# of that session and its shared memory, and starts it again, at once when it had run for a while, else
# after 1, 2, 4 ... 30 seconds. It rotates the log, and a supervisor that finds its predecessor's process
# alive takes it over. SIGTERM: the process gets SIGTERM, STOP_SECONDS later its whole session SIGKILL.

stop_seconds=$2 memory=$3 log_bytes=$4 log_keep=$5
cd "$1" || exit 1
umask 077
# Sockets are descriptors: as many as the account may have, up to what is sane.
most=$(ulimit -Hn)
if [ "$most" = unlimited ] || [ "$most" -gt 1048576 ]; then most=1048576; fi
ulimit -Sn "$most" 2>/dev/null
exec 8>>supervisor.lock
flock -n 8 || exit 0

stopping= child= backoff=0
trap 'stopping=1' TERM INT
trap : USR1
trap '' HUP

now() { read -r seconds rest < /proc/uptime; seconds=${seconds%.*}; }

# pause SECONDS: a signal ends it at once.
pause() { sleep "$1" 8>&- & wait "$!"; }

write_pid() {
    printf 'supervisor=%s\nprocess=%s\nbeside=%s\nrestarts=%s\n' "$mine" "$process" "$beside" "$restarts" > pid.new &&
        mv -f pid.new pid
}

say() { printf 'distctl: %s\n' "$1" >> log; }

rotate() {
    size=$(wc -c < log 2>/dev/null) || return 0
    [ "$size" -gt "$log_bytes" ] || return 0
    older=$log_keep
    while [ "$older" -gt 1 ]; do
        newer=$((older - 1))
        [ ! -e "log.$newer" ] || mv -f "log.$newer" "log.$older"
        older=$newer
    done
    cp log log.1
    : > log
}

launch() {
    clear_memory "$memory"
    rotate
    now
    began=$seconds rounds=0
    # A copy, so that `started` goes on saying what the running process was started with.
    cp run started && chmod 700 started
    setsid ./started >> log 2>&1 < /dev/null 8>&- &
    child=$!
    fields "$child" && process="$boot $child $started"
    write_pid
}

# accompany: keeps the script FOLDER/beside running next to the process, where there is one.
accompany() {
    [ -e beside ] && ! alive "$beside" || return 0
    kill_session "$beside"
    setsid sh ./beside >> log 2>&1 < /dev/null 8>&- &
    fields "$!" && beside="$boot $! $started"
    write_pid
}

bury() {
    status=unknown
    if [ -n "$child" ]; then
        wait "$child" 2>/dev/null
        status=$?
    fi
    kill_session "$process"
    clear_memory "$memory"
    process= child= restarts=$((restarts + 1))
    now
    if [ $((seconds - began)) -ge 30 ]; then backoff=0 restarts=1; fi
    write_pid
}

stop() {
    alive "$process" && kill -TERM "$pid"
    now
    limit=$((seconds + stop_seconds))
    while alive "$process" && [ "$seconds" -lt "$limit" ]; do
        sleep 0.1 8>&-
        now
    done
}

fields "$$"
mine="$boot $$ $started"
read_pid
restarts=0
now
began=$seconds rounds=0
alive "$process" || kill_session "$process"
alive "$process" || process=
write_pid

while [ -z "$stopping" ]; do
    if alive "$process"; then
        accompany
        pause 1
        rounds=$((rounds + 1))
        [ $((rounds % 15)) -ne 0 ] || rotate
        # A process that has run for half a minute is no part of a crash loop.
        [ "$rounds" -ne 30 ] || { restarts=0; write_pid; }
        continue
    fi
    if [ -n "$process" ]; then
        bury
        [ ! -e up ] || say "the process ended with status $status; it is started again in $backoff s"
    fi
    [ -e up ] || break
    [ "$backoff" -eq 0 ] || pause "$backoff"
    [ -z "$stopping" ] && [ -e up ] || continue
    launch
    backoff=$((backoff * 2))
    if [ "$backoff" -eq 0 ]; then backoff=1; elif [ "$backoff" -gt 30 ]; then backoff=30; fi
done

[ -z "$process" ] || { stop; bury; }
# What is beside it ends by itself once it has nothing more to read.
[ -z "$beside" ] || { pause 0.1; kill_session "$beside"; }
rm -f pid
