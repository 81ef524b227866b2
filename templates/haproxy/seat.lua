-- Chooses the server of a sequence that starts: the one with the fewest open sequences, and none where every
-- server has as many as its scheduler has places for, since Triton would let the first step hang instead.
-- What is open stands in the stick table, which outlives a reload: one entry a sequence, its server's id in
-- gpt0. A sequence that came by streams (gpc0) is open while one of them is (conn_cur).
local SOON = 2000 -- milliseconds within which a place that was given must show in the table
local YOUNG = 5000 -- milliseconds after a worker's start in which its predecessor's table may still be on its way
local PATIENCE, POLL = 2000, 10 -- milliseconds that a step waits for it, and between two looks
local LAG = 250 -- milliseconds, likewise, for a change of another place's
local born -- when this worker started
local ids = {} -- backend: name of a server to its id
local given = {} -- backend: sequence to the place that it got just now

local function ids_of(backend)
  if not ids[backend] then
    ids[backend] = {}
    for name, server in pairs(core.backends[backend].servers) do
      ids[backend][name] = tonumber(server:get_stats().sid)
    end
  end
  return ids[backend]
end

local function now()
  local time = core.now()
  return time.sec * 1000 + time.usec // 1000
end

-- How many sequences but this one each server has open, by its id; and the server that this one has.
local function open(backend, sequence)
  local counts, soon = {}, given[backend] or {}
  local function count(id) counts[id] = (counts[id] or 0) + 1 end
  local places = core.backends[backend].stktable
  local entries = places:dump({{"gpt0", "ne", 0}})
  for key, entry in pairs(entries) do
    if key ~= sequence and (entry.gpc0 == 0 or entry.conn_cur > 0) then count(entry.gpt0) end
  end
  for key, place in pairs(soon) do
    local entry = places:lookup(key) -- one that has ended since has given its place back
    if now() - place.at > SOON or entries[key] or (entry and entry.gpt0 == 0) then soon[key] = nil
    elseif key ~= sequence then count(place.id) end
  end
  given[backend] = soon
  return counts, entries[sequence] and entries[sequence].gpt0
end

local function takes_new(server)
  local stats = server:get_stats()
  return stats.status:match("^UP") ~= nil and tonumber(stats.weight) > 0
end

-- The id of the server to take, and how many it has: the sequence's own, else the one with the fewest.
local function choice(backend, counts, own)
  local order = {}
  for name, id in pairs(ids_of(backend)) do
    order[#order + 1] = {name, id, id == own and -1 or counts[id] or 0}
  end
  table.sort(order, function(a, b) if a[3] ~= b[3] then return a[3] < b[3] end return a[1] < b[1] end)
  for _, found in ipairs(order) do
    if takes_new(core.backends[backend].servers[found[1]]) then return found[2], found[3] end
  end
end

-- Sets txn.seat to a server's id, or txn.full. `places` is how many sequences a server may have open.
core.register_action("seat", {"http-req"}, function(txn, backend, places)
  local sequence, most = txn:get_var("txn.sequence"), tonumber(places)
  local id, count = choice(backend, open(backend, sequence))
  if not id then return end
  if count >= most then
    txn:set_var("txn.full", true)
    return
  end
  given[backend][sequence] = {id = id, at = now()}
  txn:set_var("txn.seat", id)
end, 2)

core.register_init(function() born = now() end)

-- A worker that took over may be asked for a sequence's next step before the table has: the step waits for it.
-- So may one whose peer answered the step before, for as long as a change takes to come from there.
core.register_action("await_place", {"http-req"}, function(txn, backend, peers)
  local sequence, waited = txn:get_var("txn.sequence"), 0
  local lag = peers == "peered" and LAG or 0
  while waited < (now() - born < YOUNG and PATIENCE or lag) do
    local entry = core.backends[backend].stktable:lookup(sequence)
    if entry and entry.gpt0 ~= 0 then return end
    core.msleep(POLL)
    waited = waited + POLL
  end
end, 2)
