// Over 200 lines: one script, which the store runs as a whole.
import { Script } from './script.js'

/**
 * Hands out slots. One hash has all that is known of slots:
 *
 * - `fleet`: when the hash was made (`created`), and until when nothing is granted (`grace`);
 * - `pool` and a pool's name: when it was last asked for (`last`), until when nothing is granted, and each gateway's
 *   lease: when it ends, and the number of the gateway's latest call;
 * - `slots`, a pool's name and a URL: of each gateway the slots that it has, those that it needs, and since when it has
 *   slots or has had none.
 *
 * Times are milliseconds of the store's clock. The arguments are the name of the pool, the gateway's token, the number
 * of this call, the time of the latest answer that the gateway had (0 for none), whether it leaves ('leave' or empty),
 * and five for each backend: URL, limit, held, needed and wanted.
 *
 * The answer is the time, whether the hash was new, and three numbers for each backend: the slots granted, the share to
 * which the gateway should come down, and 1 if other gateways should ask again. It is empty for a call that was
 * overtaken by a later one.
 */
export const slotsSource = `
local LEASE, AWAY, TURN = 5000, 2000, 100
-- Where the hash is new, gateways that have slots all the same say so in this time, unless they have yet to reconnect.
local ANSWER, RECONNECT_SECONDS = 1500, 4

local key = KEYS[1]
local pool, token, number, known, leaves = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == 'leave'

-- A server that is out of memory refuses only scripts that begin with a command that may need some.
redis.call('HDEL', key, '')
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function read(field)
  local text = redis.call('HGET', key, field)
  return text and cjson.decode(text)
end

local function write(field, value)
  redis.call('HSET', key, field, cjson.encode(value))
end

local poolField = 'pool\\n' .. pool
local function slotsField(url)
  return 'slots\\n' .. pool .. '\\n' .. url
end

-- A server that was started a moment ago may have lost what gateways have that are yet to reconnect.
local function reconnecting()
  local info = redis.pcall('INFO', 'server')
  local uptime = type(info) == 'string' and tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) or 0
  return math.max(0, RECONNECT_SECONDS - uptime) * 1000
end

local fleet = read('fleet')
local isNew = not fleet
if isNew then
  fleet = { created = now, grace = now + (known > 0 and LEASE or math.max(ANSWER, reconnecting())) }
elseif known > 0 and known < fleet.created then
  -- The store was emptied since this gateway had its latest answer, and other gateways may have slots, too.
  fleet.grace = math.max(fleet.grace, fleet.created + LEASE)
end

local state = read(poolField) or { last = 0, grace = 0, leases = {} }
local leases = state.leases
local own = leases[token]
if own and own[2] >= number then return {} end
if known > state.last and known > fleet.created then
  -- The store has lost what it wrote last.
  state.grace = now + LEASE
end
if now < state.last or now > state.last + AWAY then
  -- Nobody could renew a lease, or the clock was set.
  for _, lease in pairs(leases) do lease[1] = now + LEASE end
end
state.last = now

local hasExpired = leaves
leases[token] = { now + LEASE, number }
for other, lease in pairs(leases) do
  if lease[1] <= now or (leaves and other == token) then
    leases[other] = nil
    hasExpired = true
  end
end

-- Removes the slots of gateways without a lease. Returns true if any are left.
local function sweep(entries)
  for other in pairs(entries) do
    if not leases[other] then entries[other] = nil end
  end
  return next(entries) ~= nil
end

if hasExpired then
  local prefix = slotsField('')
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, #prefix) == prefix then
      local entries = read(field)
      if sweep(entries) then write(field, entries) else redis.call('HDEL', key, field) end
    end
  end
end

-- Who comes first where there are fewer slots than gateways in need: who has a slot since a moment ago, then who has
-- waited longest, then who has had one for long, the longest last.
local function rank(entry)
  if entry[1] == 0 then return 1 end
  return now - entry[3] < TURN and 0 or 2
end

-- Returns the number of slots of each gateway that is fair: the limit shared out evenly among those in need. Returns as
-- well whether there are fewer slots than gateways in need.
local function targetsOf(entries, limit)
  local inNeed, targets, sum = {}, {}, 0
  for name, entry in pairs(entries) do
    targets[name] = entry[2]
    sum = sum + entry[2]
    if entry[2] > 0 then inNeed[#inNeed + 1] = name end
  end
  if sum <= limit then return targets, false end
  table.sort(inNeed, function(a, b)
    local x, y = entries[a][2], entries[b][2]
    if x ~= y then return x < y end
    return a < b
  end)
  local left = limit
  local first = 1
  while first <= #inNeed do
    local need = entries[inNeed[first]][2]
    if need > math.floor(left / (#inNeed - first + 1)) then break end
    targets[inNeed[first]] = need
    left = left - need
    first = first + 1
  end
  local rest = {}
  for i = first, #inNeed do rest[#rest + 1] = inNeed[i] end
  if #rest == 0 then return targets, false end
  local level = math.floor(left / #rest)
  table.sort(rest, function(a, b)
    local x, y = entries[a], entries[b]
    if level == 0 then
      if rank(x) ~= rank(y) then return rank(x) < rank(y) end
      if x[3] ~= y[3] then return (x[3] < y[3]) == (x[1] == 0) end
    elseif x[1] ~= y[1] then
      return x[1] > y[1]
    end
    return a < b
  end)
  local extra = left - level * #rest
  for i, name in ipairs(rest) do targets[name] = level + (i <= extra and 1 or 0) end
  return targets, level == 0
end

local isGrace = now < math.max(fleet.grace, state.grace)
local answer = { now, isNew and 1 or 0 }
for i = 6, #ARGV, 5 do
  local url = ARGV[i]
  local limit, held, needed, wanted =
    tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  local field = slotsField(url)
  local entries = read(field) or {}
  local before = entries[token] or { 0, 0, now }
  local entry = { held, needed, (before[1] == 0) == (held == 0) and before[3] or now }
  entries[token] = entry

  local targets, isScarce = targetsOf(entries, limit)
  -- The slots that others have, and those that they lack of their targets; whether one has more than its target.
  local others, lack, isOver = 0, 0, false
  -- The slots of those who have waited longer.
  local ahead = 0
  for name, other in pairs(entries) do
    if name ~= token then
      others = others + other[1]
      lack = lack + math.max(0, math.min(targets[name], other[2]) - other[1])
      isOver = isOver or other[1] > targets[name]
      local isBefore = other[3] < entry[3] or (other[3] == entry[3] and name < token)
      if isScarce and other[1] == 0 and isBefore then ahead = ahead + targets[name] end
    end
  end
  local free = limit - others
  local slots = held
  if not isGrace then
    slots = math.max(held, math.min(targets[token], free - ahead), math.min(wanted, free - lack))
  end
  local missing = lack - (free - slots)
  local share = slots
  if missing > 0 and not isGrace then share = math.max(math.min(targets[token], slots), slots - missing) end
  local isShort = slots < math.min(needed, targets[token])
  local tells = (isShort and isOver) or (lack > 0 and free > slots)

  entry[1] = slots
  if held == 0 and slots > 0 then entry[3] = now end
  if leaves or (slots == 0 and needed == 0) then entries[token] = nil end
  if not next(entries) then
    redis.call('HDEL', key, field)
  elseif before[1] ~= slots or before[2] ~= needed or before[3] ~= entry[3] then
    write(field, entries)
  end
  answer[#answer + 1] = slots
  answer[#answer + 1] = share
  answer[#answer + 1] = tells and 1 or 0
end

write('fleet', fleet)
write(poolField, state)
return answer
`

/** See {@link slotsSource}. */
export const slotsScript = new Script(slotsSource)
