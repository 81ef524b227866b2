-- Names a request that two servers were lost with: one that kills whatever takes it should not be asked again.
-- A line in this process's log tells model, request id, client and the servers that went down around it.
-- Argument: milliseconds until checks have seen who is down.
local wait = tonumber((...))
local AROUND = 15000 -- milliseconds
local MOST = 20 -- lines a minute: a network that fails loses many requests at once
local down, minute, told = {}, 0, 0

local function now()
  local time = core.now()
  return time.sec * 1000 + time.usec // 1000
end

core.event_sub({"SERVER_DOWN"}, function(_, data)
  local model = data.proxy_name:match("^(.*)_r$")
  if model then
    down[model] = down[model] or {}
    down[model][data.name] = now()
  end
end)

local function quoted(text)
  return '"' .. text:gsub('[%c"\\\x7f-\xff]', "_"):sub(1, 128) .. '"'
end

local function servers(model, last, at)
  local names = {[last] = true}
  for name, when in pairs(down[model] or {}) do
    if math.abs(when - at) < AROUND then names[name] = true end
  end
  local list = {}
  for name in pairs(names) do list[#list + 1] = quoted(name) end
  table.sort(list)
  return table.concat(list, ",")
end

-- A fetch and no action: HAProxy 2.8 lets none run on an answer of its own.
core.register_fetches("lost", function(txn, model)
  local at, last = now(), txn.f:srv_name() or "?"
  local id, client = txn:get_var("txn.request") or "", txn.f:src() or ""
  if at // 60000 ~= minute then minute, told = at // 60000, 0 end
  told = told + 1
  if told > MOST then return nil end
  core.register_task(function()
    core.msleep(wait)
    local format = 'lost-twice {"at":%d,"model":%s,"request":%s,"client":%s,"servers":[%s]}'
    core.log(core.warning, format:format(at // 1000, quoted(model), quoted(id), quoted(client), servers(model, last, at)))
  end)
end)
