/**
 * How gateways tell each other of requests in flight: `VERSION INSTANCE NUMBER TIME JSON`, or `VERSION INSTANCE ask`.
 * The time is that of the store in milliseconds since 1970. The JSON is a list of pools, each
 * `[name, table, counts, quiet, from, urls]`.
 *
 * URLs are sent once, as a table; a count is at the place that its URL has in the table. `urls` are those from the place
 * `from` on, which the table did not have before. `quiet` are pairs of place and count. The last two may be left out.
 */
const VERSION = '1'
const HEAD = /^1 ([\w-]{1,64}) (?:ask$|(\d{1,15}) (\d{1,15}) )/

/** Largest number of backends of a pool in a message. */
export const MAX_BACKENDS = 2000
/** A longer message is not read. */
export const MAX_MESSAGE_LENGTH = 1_000_000
/** A message gets no further pool when it has this length. */
const FULL_MESSAGE_LENGTH = 65_536
const MAX_URL_LENGTH = 400
/** The largest count that is believed. */
const MAX_COUNT = 1_000_000

/** What a gateway says of one pool. */
export interface PoolEntry {
  readonly pool: string
  /** Number of the table; a gateway that begins a new one gives it another number. */
  readonly table: number
  /** Requests in flight, in the order of the table; backends without any at the end may be left out. */
  readonly counts: readonly number[]
  /** Pairs of the place in the table, and the number of requests in flight that are no load. */
  readonly quiet: readonly (readonly [number, number])[]
  /** URLs that the table has from the place `from` on. */
  readonly from: number
  readonly urls: readonly string[]
}

/** The beginning of a message. */
export interface MessageHead {
  /** The gateway that speaks. */
  readonly instance: string
  /** Number of the message, larger in each one of a gateway; NaN where the gateway asks for tables. */
  readonly number: number
  /** When it was sent, by the clock of the store, in milliseconds since 1970. */
  readonly time: number
  /** Where the list of pools begins. */
  readonly length: number
}

/** Returns what a message begins with; undefined where it is none, or of another version. */
export function headOf(message: string): MessageHead | undefined {
  if (message.length > MAX_MESSAGE_LENGTH) return undefined
  const [head, instance, number, time] = HEAD.exec(message) ?? []
  if (head === undefined || instance === undefined) return undefined
  return { instance, number: Number(number), time: Number(time), length: head.length }
}

/** Returns what a message says of pools; what is malformed is left out, and counts are brought into their range. */
export function entriesOf(message: string, { length }: MessageHead): PoolEntry[] {
  let list: unknown
  try {
    list = JSON.parse(message.slice(length))
  } catch {
    return []
  }
  return Array.isArray(list) ? list.flatMap((entry) => entryOf(entry) ?? []) : []
}

/** Returns a message that asks the other gateways for their tables. */
export function askMessage(instance: string): string {
  return `${VERSION} ${instance} ask`
}

/** Writes messages of the entries, as few as their length allows. */
export function messagesOf(
  instance: string,
  time: number,
  entries: readonly PoolEntry[],
  nextNumber: () => number,
): string[] {
  const messages: string[] = []
  let texts: string[] = []
  let length = 0
  const end = () => {
    if (texts.length > 0)
      messages.push(`${VERSION} ${instance} ${nextNumber()} ${Math.round(time)} [${texts.join()}]`)
    texts = []
    length = 0
  }
  for (const { pool, table, counts, quiet, from, urls } of entries) {
    const text = JSON.stringify(
      urls.length > 0 ? [pool, table, counts, quiet, from, urls] : [pool, table, counts, quiet],
    )
    texts.push(text)
    length += text.length
    if (length >= FULL_MESSAGE_LENGTH) end()
  }
  end()
  return messages
}

function entryOf(entry: unknown): PoolEntry | undefined {
  if (!Array.isArray(entry)) return undefined
  const [pool, table, counts, quiet, from = 0, urls = []] = entry as unknown[]
  if (typeof pool !== 'string' || !Number.isSafeInteger(table) || !isPlace(from)) return undefined
  if (!isList(counts) || !isList(quiet) || !isList(urls) || !urls.every(isUrl)) return undefined
  if ((from as number) + urls.length > MAX_BACKENDS) return undefined
  return {
    pool,
    table: table as number,
    counts: counts.map(countOf),
    quiet: quiet.flatMap((pair) => (isList(pair) && isPlace(pair[0]) ? [[pair[0], countOf(pair[1])]] : [])),
    from: from as number,
    urls: urls as string[],
  }
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length <= MAX_BACKENDS
}

function isUrl(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_URL_LENGTH
}

function isPlace(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_BACKENDS
}

/** Returns a whole number from 0 to the largest count; 0 for what is no number. */
function countOf(value: unknown): number {
  if (typeof value !== 'number' || !(value > 0)) return 0
  return Math.min(MAX_COUNT, Math.floor(value))
}
