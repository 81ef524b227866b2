-- Reads the messages of gRPC. A parameter of a ModelInferRequest, for sequences, from the first bytes: parameters
-- (field 4, a map of name to InferParameter) stand before the tensors. Used only where the name occurs at all.
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
-- false at what is cut or cannot be read.
local function fields(bytes, at, last, visit)
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
      if not length or at + length - 1 > last then return false end
      answer = visit(field, at, at + length - 1)
      at = at + length
    elseif wire == 1 then at = at + 8
    elseif wire == 5 then at = at + 4
    else return false end
    if answer ~= nil then return answer end
  end
end

core.register_fetches("grpc_parameter", function(txn, name)
  local bytes = txn.f:req_body()
  if not bytes or #bytes < 6 or bytes:byte(1) ~= 0 then return nil end
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
end)

-- The model that a request names, where it can be no other: the message is here as a whole, and names one once.
core.register_fetches("grpc_model", function(txn)
  local bytes = txn.f:req_body()
  if not bytes or #bytes < 6 or bytes:byte(1) ~= 0 then return nil end
  local last = 5 + string.unpack(">I4", bytes, 2)
  if last > #bytes then return nil end
  local name, times = nil, 0
  local whole = fields(bytes, 6, last, function(field, from, to)
    if field == 1 then name, times = from and bytes:sub(from, to), times + 1 end
  end)
  if whole ~= false and times == 1 then return name end
end)
