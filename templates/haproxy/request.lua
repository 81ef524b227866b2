-- Reads what the choice of a server depends on from the first bytes of a request's body: its sequence, a
-- parameter, its prompt. gRPC's ModelInferRequest has parameters (field 4) before inputs (5) and raw contents
-- (7). REST's JSON is searched as text: whole parsers stop at a number beyond 2^53 or at a tensor behind it.
local function varint(bytes, at)
  local value, shift = 0, 0
  while true do
    local byte = bytes:byte(at)
    if not byte then return nil end
    at = at + 1
    value = value | ((byte & 0x7f) << shift)
    if byte < 128 then return value, at end
    shift = shift + 7
  end
end

-- Calls visit(field, first, last, number) for each field of bytes[at..last]; ends when visit answers, and with
-- false at what is cut off or cannot be read. The last field that is cut is visited as far as it is there if `open`.
local function fields(bytes, at, last, visit, open)
  while at <= last do
    local tag, answer
    tag, at = varint(bytes, at)
    if not tag then return false end
    local field, wire = tag >> 3, tag & 7
    if wire == 0 then
      local value
      value, at = varint(bytes, at)
      if not value then return false end
      answer = visit(field, nil, nil, value)
    elseif wire == 2 then
      local length
      length, at = varint(bytes, at)
      -- Ten bytes can say a negative length, which would lead back here for ever.
      if not length or length < 0 then return false end
      local left = last - at + 1
      if length > left then
        if not open then return false end
        length = left
      end
      answer = visit(field, at, at + length - 1)
      at = at + length
    elseif wire == 1 then at = at + 8
    elseif wire == 5 then at = at + 4
    else return false end
    if answer ~= nil then return answer end
  end
end

local function message(txn)
  local bytes = txn.f:req_body()
  if bytes and #bytes > 5 and bytes:byte(1) == 0 then return bytes end
end

-- An InferParameter as text: a bool is "1" or "0".
local function grpc_parameter(bytes, name)
  return fields(bytes, 6, #bytes, function(field, first, last)
    if field ~= 4 or not first then return nil end
    local key, value
    fields(bytes, first, last, function(inner, from, to)
      if inner == 1 and from then key = bytes:sub(from, to)
      elseif inner == 2 and from then
        fields(bytes, from, to, function(_, a, b, number)
          value = a and bytes:sub(a, b) or number and string.format("%u", number & 0x7fffffffffffffff)
        end)
      end
    end)
    if key == name and value then return value end
  end) or nil
end

local function rest_parameter(text, name)
  return text:match('"' .. name .. '"%s*:%s*"([^"]*)"') or text:match('"' .. name .. '"%s*:%s*([%w.+-]+)')
end

-- The first `length` bytes of the first text among the tensors, "" when there is none.
local function grpc_prompt(bytes, length)
  local text
  fields(bytes, 6, #bytes, function(field, first, last)
    if field == 5 and first then
      text = fields(bytes, first, last, function(inner, from, to) -- contents
        if inner ~= 5 or not from then return nil end
        return fields(bytes, from, to, function(kind, a, b) -- bytes_contents
          if kind == 8 and a then return bytes:sub(a, math.min(b, a + length - 1)) end
        end, true) or nil
      end, true) or nil
    elseif field == 7 and first and last > first + 2 then -- raw: four bytes say how long the first element is
      text = bytes:sub(first + 4, math.min(last, first + 3 + length, first + 3 + string.unpack("<I4", bytes, first)))
    end
    return text
  end, true)
  return text
end

-- Where the first text of a `generate` request begins: its keys are the names of the model's inputs.
local function generated(json)
  for key, at in json:gmatch('"([^"\\]+)"%s*:%s*"()') do
    if key ~= "id" then return at - 1 end
  end
end

-- The same of REST: a JSON text, or the first element behind the JSON.
local function rest_prompt(txn, text, length)
  local head = math.tointeger(tonumber(txn.f:req_hdr("inference-header-content-length")))
  local json = head and text:sub(1, head) or text
  local at = select(2, json:find('"text_input"%s*:%s*"')) or select(2, json:find('"data"%s*:[%s%[]*"'))
  if not at and txn.f:path():match("/generate") then at = generated(json) end
  if at then return (json:sub(at + 1, at + length):match('^[^"]*')) end
  if head and #text >= head + 4 and json:find('"BYTES"') then
    return text:sub(head + 5, head + 4 + math.min(length, (string.unpack("<I4", text, head + 1))))
  end
end

local function parameter(txn, protocol, name)
  if protocol == "grpc" then
    local bytes = message(txn)
    return bytes and grpc_parameter(bytes, name)
  end
  return rest_parameter(txn.f:req_body() or "", name)
end

core.register_fetches("parameter", parameter)

core.register_fetches("prompt", function(txn, protocol, length)
  if protocol == "grpc" then
    local bytes = message(txn)
    return bytes and grpc_prompt(bytes, tonumber(length))
  end
  return rest_prompt(txn, txn.f:req_body() or "", tonumber(length))
end)

-- Sets txn.sequence to the id of the request's sequence, and txn.starts and txn.ends where it does.
core.register_action("sequence", {"http-req"}, function(txn, protocol)
  local id = parameter(txn, protocol, "sequence_id")
  if not id or id == "0" or id == "" then return end
  local function says(name)
    local value = parameter(txn, protocol, name)
    return value == "true" or value == "1"
  end
  txn:set_var("txn.sequence", id)
  if says("sequence_start") then txn:set_var("txn.starts", true) end
  if says("sequence_end") then txn:set_var("txn.ends", true) end
end, 1)

-- The model that a request names, where it can be no other: the message is here as a whole, and names one once.
core.register_fetches("grpc_model", function(txn)
  local bytes = message(txn)
  if not bytes then return nil end
  local last = 5 + string.unpack(">I4", bytes, 2)
  if last > #bytes then return nil end
  local name, times = nil, 0
  local whole = fields(bytes, 6, last, function(field, from, to)
    if field == 1 then name, times = from and bytes:sub(from, to), times + 1 end
  end)
  if whole ~= false and times == 1 then return name end
end)
