# Reads a router's log of requests, wherever access.sh keeps it.
# Sets: to, folder, name, newest (lines), position (where to begin: INODE:OFFSET, or the journal's cursor),
# program (what picks lines). Each look reads what was there when it began.
cd "$folder" 2>/dev/null || exit 0
export LC_ALL=C
pick() { awk "$program" | tail -n "$((newest + 1))"; }

if [ "$to" = journal ] && [ -S /run/systemd/journal/stdout ]; then
    export total=-1 inode=
    if [ -n "$position" ]; then set -- --after-cursor "$position"; else set -- -n 100000; fi
    journalctl -q --no-pager -o cat -t "$name" --show-cursor "$@" | pick
    exit
fi

# survey: the files that are there, oldest first, and the newest one's inode and size.
survey() {
    files= number=100
    while [ "$number" -gt 0 ]; do
        [ ! -e "access.log.$number" ] || files="$files access.log.$number"
        number=$((number - 1))
    done
    [ ! -e access.log ] || files="$files access.log"
    marks=$(stat -c '%i:%s' $files 2>/dev/null)
}
files=
survey
[ -n "$files" ] || exit 0
before=$marks
survey
[ "${before##*
}" = "${marks##*
}" ] || survey

# What comes before the position is left out: whole files, and the beginning of one.
skip=0 found=
for mark in $marks; do
    [ "${mark%:*}" != "${position%:*}" ] || found=1 skip=${position##*:}
done
[ -n "$found" ] || position=
set -- $files
total=0
for mark in $marks; do
    if [ -n "$position" ] && [ "${mark%:*}" != "${position%:*}" ]; then
        shift
        continue
    fi
    position=
    total=$((total + ${mark##*:}))
done
export inode=${mark%:*} size=${mark##*:} total=$((total - skip))
for file in "$@"; do
    tail -c "+$((skip + 1))" "$file"
    skip=0
done | head -c "$total" | pick
