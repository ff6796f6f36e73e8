import { Script } from './script.js'

/** What the store knows of a gateway that has announced itself. */
export interface GatewayEntry {
  id: string
  /** Names the process: no other ever has the same, not even one with the same id. */
  instance: string
  /** When it announced itself last, by the clock of the store, in milliseconds since 1970. */
  seen: number
  /** Requests that it has in flight, in all pools. */
  inFlight: number
  /** Version of what it tells other gateways. */
  version: string
}

/** What the store answers to an announcement. */
export interface Announced {
  /** The id that the gateway has from now on; undefined where others have both that it asked for. */
  id: string | undefined
  /** The id that it had until now; undefined where its lease was over, or it had none yet. */
  before: string | undefined
  /** Time of the announcement, by the clock of the store, in milliseconds since 1970. */
  seen: number
  others: GatewayEntry[]
}

/**
 * Announces a gateway. Entries are fields of one hash: id, and `SEEN INSTANCE INFLIGHT VERSION`. What is no entry, or
 * one whose lease is over, is removed. A time far ahead is that of a clock which was set back since.
 *
 * A server that is out of memory refuses the first write of a script only. The first one here needs no memory, so that
 * leases are renewed all the same.
 */
const announceScript = new Script(`
local wanted, spare, instance = ARGV[1], ARGV[2], ARGV[3]
local lease = tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entries = redis.call('HGETALL', KEYS[1])
local before, taken, answer = '', {}, {}
for i = 1, #entries, 2 do
  local seen, owner = string.match(entries[i + 1], '^(%d+) (%S+) %d+ %S+$')
  local age = now - (tonumber(seen) or 0)
  if not seen or age >= lease or age <= -lease then
    redis.call('HDEL', KEYS[1], entries[i])
  elseif owner == instance then
    before = entries[i]
  else
    taken[entries[i]] = true
    answer[#answer + 1] = entries[i]
    answer[#answer + 1] = entries[i + 1]
  end
end
local id = taken[wanted] and spare or wanted
if taken[id] then
  id = ''
else
  redis.call('HDEL', KEYS[1], before, id)
  redis.call('HSET', KEYS[1], id, string.format('%.0f %s %s %s', now, instance, ARGV[4], ARGV[5]))
  redis.call('PEXPIRE', KEYS[1], lease)
  if before ~= id then redis.call('PUBLISH', ARGV[7], 'joined ' .. instance) end
end
return { id, before, now, answer }`)

/** Removes the entry of a gateway that leaves, and tells the others. */
const leaveScript = new Script(`
local owner = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^%d+ (%S+) ')
if owner == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('PUBLISH', ARGV[3], 'left ' .. ARGV[2])`)

type Run = (script: Script, keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>

/** The entries of gateways in the store, under a key that is the channel of their news as well. */
export class GatewayEntries {
  readonly #run: Run
  readonly #key: string
  readonly #leaseMs: number

  constructor(run: Run, key: string, leaseMs: number) {
    this.#run = run
    this.#key = key
    this.#leaseMs = leaseMs
  }

  /**
   * Announces a gateway, or renews its lease.
   * @param spare the id that it takes where another gateway has its own
   */
  async announce(entry: Omit<GatewayEntry, 'seen'>, spare: string): Promise<Announced> {
    const { id, instance, inFlight, version } = entry
    const args = [id, spare, instance, inFlight, version, this.#leaseMs, this.#key]
    const answer = await this.#run(announceScript, [this.#key], args)
    const [now, before, seen, fields] = answer as [string, string, number, string[]]
    return { id: now || undefined, before: before || undefined, seen, others: entriesOf(fields) }
  }

  async leave(id: string, instance: string): Promise<void> {
    await this.#run(leaveScript, [this.#key], [id, instance, this.#key])
  }
}

const idShape = /^[A-Za-z0-9._~-]{1,64}$/
const valueShape = /^(\d{1,15}) ([\w-]{1,64}) (\d{1,15}) (\S{1,64})$/

/** Returns the entries of a hash; fields that are none are left out, as anybody may write them. */
function entriesOf(fields: readonly string[]): GatewayEntry[] {
  const entries: GatewayEntry[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const id = fields[i] as string
    const [, seen, instance, inFlight, version] = valueShape.exec(fields[i + 1] as string) ?? []
    if (!idShape.test(id) || instance === undefined || version === undefined) continue
    entries.push({ id, instance, seen: Number(seen), inFlight: Number(inFlight), version })
  }
  return entries
}
