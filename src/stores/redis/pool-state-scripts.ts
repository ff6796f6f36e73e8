import { Script } from './script.js'

/*
 * The state of a pool is a hash with the fields `revision` and `state`. A script answers with a word and the revision that
 * the store has then.
 */

/** What a state begins with that this version of leastwise has written; others are not overwritten. */
const beginning = '{"version":1,'

/** Refuses content of somebody else, and sets `found` to the revision, which is empty where there is nothing. */
const find = `
local type = redis.call('TYPE', KEYS[1])['ok']
if type ~= 'none' and type ~= 'hash' then return {'foreign', ''} end
local found = redis.call('HGET', KEYS[1], 'revision') or ''
if type == 'hash' then
  local state = redis.call('HGET', KEYS[1], 'state') or ''
  if not string.find(found, '^%d+%-%w+$') or string.sub(state, 1, ${beginning.length}) ~= '${beginning}' then
    return {'foreign', found}
  end
end
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then return {'late', found} end
`

/** Writes, and tells the others. */
const write = `
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'state', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
`

/** Arguments: deadline in the store's time in milliseconds, new revision, state, channel, message, expected revision. */
export const saveScript = new Script(`${find}
if found ~= ARGV[6] then return {'conflict', found} end
${write}
return {'written', ARGV[2]}
`)

/** Arguments: deadline, revision, state, channel, message. */
export const restoreScript = new Script(`${find}
local number = function (revision) return tonumber(string.match(revision, '^%d+') or -1) end
if number(found) >= number(ARGV[2]) then return {'kept', found} end
${write}
return {'written', ARGV[2]}
`)

export const loadScript = new Script(`return redis.call('HMGET', KEYS[1], 'revision', 'state')`)

/** Answers with the revision of each key; it is empty where there is none. */
export const revisionsScript = new Script(`
local revisions = {}
for i, key in ipairs(KEYS) do
  local found = redis.pcall('HGET', key, 'revision')
  revisions[i] = type(found) == 'string' and found or ''
end
return revisions
`)
