-- Ends requests that last longer than their model allows: HAProxy's own time-outs bound silence, not a whole
-- request. Looks at the sessions of this process now and then, over its own socket.
-- Arguments: the socket, and MODEL=SECONDS for each model.
local args = table.pack(...)
local socket, totals, shortest = args[1], {}, math.huge
for place = 2, args.n do
  local model, seconds = args[place]:match("^(.*)=(%d+)$")
  totals[model] = tonumber(seconds)
  shortest = math.min(shortest, totals[model])
end
local UNITS = {s = 1, m = 60, h = 3600, d = 86400}
local pause = math.max(1, math.min(30, shortest // 20)) -- seconds: a twentieth of a total is near enough

local function ask(commands)
  local stream = core.tcp()
  stream:settimeout(5)
  if not stream:connect("unix@" .. socket) then return "" end
  stream:send(commands .. "\n")
  local answer = stream:receive("*a")
  stream:close()
  return answer or ""
end

local function seconds(age)
  local sum = 0
  for number, unit in age:gmatch("(%d+)([smhd])") do sum = sum + tonumber(number) * UNITS[unit] end
  return sum
end

core.register_task(function()
  while shortest < math.huge do
    core.sleep(pause)
    for line in ask("show sess"):gmatch("[^\n]+") do
      local id, backend, age = line:match("^(0x%x+): proto=%S+ .-be=(%S+) .-age=(%w+)")
      local total = backend and totals[backend:match("^(.*)_[rg][nsh]?$") or ""]
      if total and seconds(age) > total then ask("shutdown session " .. id) end
    end
  end
end)
