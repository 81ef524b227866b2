# Keeps what HAProxy says of requests. It says so into a pipe that it never waits for: what nobody reads in
# time is dropped, and nothing here can hold a request up. Ends when nothing has the pipe open any more.
# Sets: to, folder, chunk (bytes), files, name. HAProxy's own sentences, such as its last, are no JSON.
cd "$folder" || exit 1
umask 077
[ -p access.pipe ] || mkfifo access.pipe 2>/dev/null || [ -p access.pipe ] || exit 1
if [ "$to" = journal ] && [ -S /run/systemd/journal/stdout ] && command -v systemd-cat >/dev/null; then
    exec < access.pipe
    grep -a --line-buffered '^{' | systemd-cat -t "$name" -p info
    exit
fi
export chunk files
# A file has two chunks at most. Chunks end with a line, so no line is cut in two.
exec split -C "$chunk" -d -a 9 --filter='
    size=$(wc -c < access.log 2>/dev/null)
    if [ "${size:-0}" -gt "$chunk" ]; then
        older=$((files - 1))
        while [ "$older" -gt 1 ]; do
            newer=$((older - 1))
            [ ! -e "access.log.$newer" ] || mv -f "access.log.$newer" "access.log.$older"
            older=$newer
        done
        mv -f access.log access.log.1
    fi
    exec grep -a --line-buffered "^{" >> access.log' - < access.pipe
