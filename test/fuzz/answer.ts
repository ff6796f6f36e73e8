/** Returns numbers in [0, 1). */
export type Random = () => number

/** A response as a backend may send it, and the request that it is for. */
export interface Answer {
  method: string
  isUpgrade: boolean
  /** The response, and perhaps bytes behind it; each character is a byte. */
  text: string
}

const chance = (random: Random, share: number) => random() < share
export const below = (random: Random, limit: number) => Math.floor(random() * limit)
const pick = <T>(random: Random, list: readonly T[]): T => list[below(random, list.length)] as T
const times = (random: Random, most: number, make: () => string): string =>
  Array.from({ length: below(random, most + 1) }, make).join('')

const VERSIONS = [
  '1.1',
  '1.1',
  '1.1',
  '1.1',
  '1.1',
  '1.1',
  '1.0',
  '1.0',
  '1.2',
  '0.9',
  '2.0',
  '1.10',
  '1',
  '3',
]
const REASONS = ['OK', '', ' ', 'Not Found', 'caf\xe9', '  two  ', 'a\tb', '200', 'OK:', '\x01']
const STATUSES = [
  '200',
  '200',
  '200',
  '200',
  '404',
  '500',
  '204',
  '304',
  '205',
  '600',
  '999',
  '099',
  '20',
  '2000',
  '+20',
  '101',
]
const INFORMATIONAL = ['100', '102', '103', '199', '101']
const NAMES = [
  'X-A',
  'x-a',
  'Date',
  'ETag',
  'Set-Cookie',
  'Server',
  'Content-Type',
  'Link',
  '__proto__',
  'constructor',
  '7',
  'Via',
  'Trailer',
  'Upgrade',
  'Keep-Alive',
  'Content-Lengt',
  'Content-Length2',
  'Transfer-Encodin',
  'Proxy-Connection',
  '~!',
]
const BAD_NAMES = ['X A', '', ' X', '\tX', 'X ', 'X\t', 'caf\xe9', 'X\0', 'X(', '"X"', 'X\r', 'X,']
const VALUES = [
  '',
  'b',
  'b c',
  ' b',
  'b ',
  '\t b\t',
  'caf\xe9 \xff\x80',
  '"quoted, text"',
  'a: b',
  'timeout=5',
  'x'.repeat(70),
  'y'.repeat(600),
  'h2c',
  'HTTP/1.1 200 OK',
]
const BAD_VALUES = ['\0', 'a\0b', '\x01', '\x7f', 'a\rb', 'a\nb', '\r', '\n', 'a\r\n b', '\r\n\tb', 'a\r\n ']
const CONNECTIONS = [
  'close',
  'keep-alive',
  'Close',
  'KEEP-ALIVE',
  'x, close',
  'close , x',
  'keep-alive, close',
  'upgrade',
  'x',
  '',
  ',',
  'closed',
  'keep-alive, x',
  'Upgrade, keep-alive',
]
const LENGTHS = [
  '',
  '+2',
  '-2',
  '2, 2',
  '2 2',
  '0x2',
  '1e1',
  '02',
  '2;',
  'a',
  '2.0',
  '18446744073709551616',
  '18446744073709551615',
  '9007199254740993',
  '\t2',
  '2\t',
]
const CODINGS = [
  'chunked',
  'Chunked',
  'CHUNKED ',
  ' chunked',
  'gzip',
  'gzip, chunked',
  'chunked, gzip',
  'chunked, chunked',
  'identity',
  '',
  'xchunked',
  'chunkedx',
  'chunked;a=b',
  '"chunked"',
  'chunke',
  ',chunked',
  'chunked,',
]
const SIZES = [
  '',
  '-1',
  '+1',
  '0x1',
  'g',
  ' 1',
  '1 ',
  'ffffffffffffffff',
  '10000000000000000',
  'fffffffffffff',
  '1_0',
  '\xb9',
]
const EXTENSIONS = [
  ';a',
  ';a=b',
  ';a="b;c"',
  '; a',
  ' ;a',
  ';',
  ';a;b',
  ';\x01',
  ';a\nb',
  ';a\rb',
  ';=',
  ';a="b',
  ';a="\\""',
  ';caf\xe9',
  '\t;a',
  ';a="b\tc"',
]
const LINE_ENDS = ['\n', '\r', '', '\r\r\n', ' \r\n', '\n\r', '\r\n ', '\0\r\n']
/** Bytes that mean something, or that often mean something elsewhere. */
const BYTES = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '1',
  '2',
  'a',
  'f',
  'g',
  '\0',
  '\x7f',
  '\x80',
  '\xff',
  '-',
  '+',
  '"',
  'HTTP/',
  '\r\n\r\n',
]

/** Makes the parts of a response; with `odd` set, the share of them that break a rule. */
class Writer {
  readonly #random: Random
  readonly #odd: number

  constructor(random: Random, odd: number) {
    this.#random = random
    this.#odd = odd
  }

  get #isOdd(): boolean {
    return chance(this.#random, this.#odd)
  }

  /** Returns one of the usual things, or sometimes one of the others. */
  #usual(usual: readonly string[], odd: readonly string[]): string {
    return pick(this.#random, this.#isOdd ? odd : usual)
  }

  lineEnd(): string {
    return this.#usual(['\r\n'], LINE_ENDS)
  }

  statusLine(statuses: readonly string[]): string {
    const version = this.#usual(['1.1', '1.1', '1.1', '1.0'], VERSIONS)
    const space = this.#usual([' '], ['  ', '', '\t'])
    const reason = this.#usual(['OK', 'OK', ''], REASONS)
    const separator = reason === '' && chance(this.#random, 0.5) ? '' : this.#usual([' '], ['', '  ', '\t'])
    const protocol = this.#usual(['HTTP/'], ['http/', 'HTTP', 'ICY ', 'RTSP/', 'HTTQ/', '\x15\x03', ''])
    return `${protocol}${version}${space}${pick(this.#random, statuses)}${separator}${reason}${this.lineEnd()}`
  }

  field(): string {
    const name = this.#usual(NAMES, BAD_NAMES)
    const colon = this.#usual([': ', ':', ':  '], ['', ' :', ';', '::', ':\t'])
    return `${name}${colon}${this.#usual(VALUES, BAD_VALUES)}${this.lineEnd()}`
  }

  fields(most: number): string {
    return times(this.#random, most, () => this.field())
  }

  trailers(): string {
    if (!this.#isOdd) return this.fields(3)
    return (
      this.fields(1) +
      pick(this.#random, ['Content-Length: 2', 'Transfer-Encoding: chunked', 'Connection: close']) +
      this.lineEnd() +
      this.fields(1)
    )
  }

  connection(): string {
    if (!chance(this.#random, 0.3)) return ''
    return `Connection: ${this.#usual(['close', 'keep-alive'], CONNECTIONS)}${this.lineEnd()}`
  }

  chunk(data: string, isLast = false): string {
    const size = this.#isOdd ? pick(this.#random, SIZES) : data.length.toString(16)
    const zeros = chance(this.#random, 0.1) ? '00' : ''
    const extension = chance(this.#random, 0.15) ? this.#usual([';a', ';a=b', ';a="b;c"'], EXTENSIONS) : ''
    return `${zeros}${size}${extension}${this.lineEnd()}${data}${isLast ? '' : this.lineEnd()}`
  }

  /** Returns the fields that say how a body is framed, and the framed body. */
  framed(data: string): [fields: string, body: string] {
    const coding = `Transfer-Encoding: ${this.#usual(['chunked', 'Chunked'], CODINGS)}${this.lineEnd()}`
    const length = `Content-Length: ${this.#usual([String(data.length)], LENGTHS)}${this.lineEnd()}`
    const chosen = this.#random()
    if (this.#isOdd)
      return [pick(this.#random, [length + coding, coding + length, length + length, coding + coding]), data]
    if (chosen < 0.4) return [length, data]
    if (chosen < 0.5) return ['', data]
    const half = below(this.#random, data.length + 1)
    const chunks = [data.slice(0, half), data.slice(half)]
      .filter((part) => part !== '')
      .map((part) => this.chunk(part))
    const trailers = chance(this.#random, 0.3) ? this.trailers() : ''
    return [coding, `${chunks.join('')}${this.chunk('', true)}${trailers}${this.lineEnd()}`]
  }

  informational(): string {
    return `${this.statusLine(INFORMATIONAL.slice(0, this.#isOdd ? 5 : 4))}${this.fields(2)}${this.lineEnd()}`
  }

  switching(): string {
    const fields = [
      `Connection: ${this.#usual(['upgrade', 'Upgrade'], CONNECTIONS)}\r\n`,
      'Upgrade: echo\r\n',
    ]
    if (this.#isOdd) fields.splice(below(this.#random, 2), 1)
    return `${this.statusLine(['101'])}${this.fields(2)}${fields.join('')}${this.lineEnd()}`
  }

  response(): string {
    const data = chance(this.#random, 0.2)
      ? ''
      : pick(this.#random, ['ab', 'HTTP/1.1 200 OK\r\n\r\n', '0\r\n\r\n', 'x'.repeat(300)])
    const [framing, body] = this.framed(data)
    const parts = [framing, this.connection(), this.fields(5)]
    if (chance(this.#random, 0.5)) parts.reverse()
    const statuses = this.#isOdd ? STATUSES : STATUSES.slice(0, 9)
    return `${this.statusLine(statuses)}${parts.join('')}${this.lineEnd()}${body}`
  }
}

/** Makes a random response: one in three follows the rules, the others break some. */
export function randomAnswer(random: Random): Answer {
  const writer = new Writer(random, pick(random, [0, 0.01, 0.05]))
  const method = pick(random, ['GET', 'GET', 'GET', 'GET', 'POST', 'HEAD'])
  const isUpgrade = method === 'GET' && chance(random, 0.1)
  const before = chance(random, 0.2) ? times(random, 3, () => writer.informational()) : ''
  const blank = chance(random, 0.02) ? pick(random, ['\r\n', '\r\n\r\n', '\n', '\r', ' ']) : ''
  const isSwitch = isUpgrade ? chance(random, 0.7) : chance(random, 0.01)
  const behind = chance(random, 0.8) ? '' : pick(random, [writer.response(), '\r\n', 'garbage', '\0'])
  const text = `${blank}${before}${isSwitch ? writer.switching() : writer.response()}${behind}`
  return { method, isUpgrade, text: chance(random, 0.35) ? mutated(random, text) : text }
}

/** Changes a few places of a text. */
function mutated(random: Random, text: string): string {
  let changed = text
  for (let left = 1 + below(random, 3); left > 0; left--) {
    const at = below(random, changed.length + 1)
    const end = at + below(random, 4)
    const place = random()
    if (place < 0.3) changed = changed.slice(0, at) + pick(random, BYTES) + changed.slice(at)
    else if (place < 0.5) changed = changed.slice(0, at) + changed.slice(end)
    else if (place < 0.7) changed = changed.slice(0, at) + pick(random, BYTES) + changed.slice(at + 1)
    else if (place < 0.85) changed = changed.slice(0, at)
    else changed = changed.slice(0, end) + changed.slice(at)
  }
  return changed
}

/** Makes a response that follows the rules and does not end with its connection, with a body of its own. */
export function validAnswer(random: Random, body: string): Answer {
  const writer = new Writer(random, 0)
  const method = pick(random, ['GET', 'GET', 'POST', 'HEAD'])
  let [framing, framed] = writer.framed(body)
  while (framing === '') [framing, framed] = writer.framed(body)
  const before = times(random, 1, () => writer.informational())
  const status = pick(random, ['200', '404', '204', '304'])
  const hasBody = method !== 'HEAD' && status !== '204' && status !== '304'
  const head = `HTTP/1.1 ${status} OK\r\n${framing}${writer.fields(4)}\r\n`
  return { method, isUpgrade: false, text: `${before}${head}${hasBody ? framed : ''}` }
}

/** Cuts bytes into pieces at random. */
export function randomCuts(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  const longest = pick(random, [1, 3, 20, 200, bytes.length + 1])
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + below(random, longest))
    pieces.push(bytes.subarray(at, end))
    at = end
  }
  return pieces
}
