# Prints the lines of a router's log of requests that are asked for, and last from where to go on.
# From the environment: model key request slow errors since (see distctl/cluster/requests.py); total: how many
# bytes there are to read, -1 when every line is whole; inode and size of the newest file.
# A quote within a value is escaped, so `"name":` is a name wherever it stands.
function is(name, value) {
    return value == "" || index(line, "\"" name "\":\"" value "\"")
}
function number(name,    at) {
    at = index(line, "\"" name "\":")
    return at ? substr(line, at + length(name) + 3) + 0 : 0
}
function failed() {
    return number("status") < 100 || number("status") >= 400 || line !~ /"end":"(--|LR)"/ || line ~ /"grpc_status":"[1-9]/
}
function show() {
    if (is("model", ENVIRON["model"]) && is("key", ENVIRON["key"]) &&
        (ENVIRON["request"] == "" || index(line, "\"request\":\"" ENVIRON["request"])) &&
        number("total") >= ENVIRON["slow"] + 0 && number("at") + number("total") / 1000 >= ENVIRON["since"] + 0 &&
        (ENVIRON["errors"] == "" || failed())) print line
}
/^-- cursor: / { position = substr($0, 12); next }
{
    if (seen) show()
    line = $0
    seen += length(line) + 1
}
END {
    whole = ENVIRON["total"] < 0 || seen <= ENVIRON["total"] + 0
    if (seen && whole) show()
    if (ENVIRON["inode"] != "") position = ENVIRON["inode"] ":" sprintf("%.0f", ENVIRON["size"] - (whole ? 0 : length(line)))
    print "position " position
}
