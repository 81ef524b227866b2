# Which process it is. A name or a pid alone says nothing: pids are given again. Boot id, pid and start
# time together do, and nothing here signals a pid whose start time is another.
# POSIX sh on Linux; reads /proc with builtins only, so that a look costs no fork.

read -r boot < /proc/sys/kernel/random/boot_id

# fields PID: sets state, session and started (clock ticks after boot) of that process.
fields() {
    stat=
    { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${stat##*) }
    state=$1 session=$4 started=${20:-}
}

# alive "BOOT PID STARTED": that very process runs. Sets pid.
alive() {
    set -- $1
    [ "${1:-}" = "$boot" ] && [ -n "${3:-}" ] && fields "$2" && [ "$started" = "$3" ] &&
        [ "$state" != Z ] && [ "$state" != X ] && pid=$2
}

# members PID: prints the living processes of the session that PID founded.
members() {
    for entry in /proc/[0-9]*; do
        fields "${entry#/proc/}" && [ "$session" = "$1" ] && [ "$state" != Z ] && printf '%s\n' "${entry#/proc/}"
    done
    return 0
}

# kill_session "BOOT PID STARTED": SIGKILL of all that this process started, also when it is gone itself.
# A number that was given again proves that its session is empty: the kernel keeps it while one is left.
kill_session() {
    set -- $1
    [ "${1:-}" = "$boot" ] && [ -n "${3:-}" ] || return 0
    if fields "$2" && [ "$started" != "$3" ]; then return 0; fi
    tries=0
    while [ "$tries" -lt 50 ]; do
        left=$(members "$2")
        [ -n "$left" ] || return 0
        kill -KILL $left 2>/dev/null
        tries=$((tries + 1))
        sleep 0.05
    done
}

# clear_memory PREFIX: removes the shared memory of a process that was killed before it could.
clear_memory() {
    [ -z "$1" ] || rm -f "/dev/shm/$1"*
}

# read_pid: sets supervisor, process, beside and restarts to what the unit's pid file says.
read_pid() {
    supervisor= process= beside= restarts=0
    [ -r pid ] || return 0
    while IFS='=' read -r key value; do
        case $key in
            supervisor) supervisor=$value ;;
            process) process=$value ;;
            restarts) restarts=$value ;;
            beside) beside=$value ;;
        esac
    done < pid
}
