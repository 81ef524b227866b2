-- Frees requests from a server that hangs: its sessions are shut once it has been DOWN for a while, and the
-- layer-7 retry sends the replayable ones to another server. `on-marked-down shutdown-sessions` is not enough:
-- it cuts a session that is still connecting, which is then never retried, so the wait must be longer than
-- the connect timeout. Backends whose requests are never sent twice end in `n`, `s` or `h` (sequences, large
-- requests, streams, those that waited): cutting those costs an answer, so they need more proof. A server in maintenance or draining is
-- left alone: what it still does was promised time to end.
-- Arguments: milliseconds of being DOWN before replayable requests are shut, and before the others are.
local args = table.pack(...)
local cut_after, cut_stream_after = tonumber(args[1]), tonumber(args[2])
local period = 60
local down = {}

core.event_sub({"SERVER_DOWN"}, function(_, data)
  local key = data.proxy_name .. "/" .. data.name
  down[key] = down[key] or {backend = data.proxy_name, name = data.name, polls = 0}
end)

local function poll(key, entry)
  local backend = core.backends[entry.backend]
  local server = backend and backend.servers[entry.name]
  local status = server and server:get_stats().status or ""
  if not status:match("^DOWN") or server:is_draining() then
    down[key] = nil
    return
  end
  entry.polls = entry.polls + 1
  local wait = entry.backend:match("_[rg][nsh]$") and cut_stream_after or cut_after
  if entry.polls * period >= wait then server:shut_sess() end
end

core.register_task(function()
  while true do
    for key, entry in pairs(down) do poll(key, entry) end
    core.msleep(period)
  end
end)
