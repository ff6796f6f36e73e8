import type { Socket } from 'node:net'

/** The parts of undici's response parser that are read here. */
interface Parser {
  /** The address of the parser's state in its memory; null once the state is freed. */
  ptr: number | null
  llhttp: {
    memory: { buffer: ArrayBuffer }
    llhttp_get_errno?(ptr: number): number
    llhttp_get_error_reason(ptr: number): number
  }
}

/** Codes of the errors of llhttp, the HTTP parser, that a response can cause, by error number. */
const CODES: Record<number, string> = {
  2: 'HPE_STRICT',
  3: 'HPE_LF_EXPECTED',
  4: 'HPE_UNEXPECTED_CONTENT_LENGTH',
  5: 'HPE_CLOSED_CONNECTION',
  8: 'HPE_INVALID_CONSTANT',
  9: 'HPE_INVALID_VERSION',
  10: 'HPE_INVALID_HEADER_TOKEN',
  11: 'HPE_INVALID_CONTENT_LENGTH',
  12: 'HPE_INVALID_CHUNK_SIZE',
  13: 'HPE_INVALID_STATUS',
  14: 'HPE_INVALID_EOF_STATE',
  15: 'HPE_INVALID_TRANSFER_ENCODING',
  25: 'HPE_CR_EXPECTED',
  30: 'HPE_UNEXPECTED_SPACE',
}

/**
 * Gives an error of undici's parser the same code and message that Node's parser would give it. Undici leaves out the
 * code, and reports a response that is malformed after a Content-Length as one that is too short.
 */
export function nameParserError(error: NodeJS.ErrnoException, socket: Socket): void {
  const isTooShort = error.code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
  if (!isTooShort && error.name !== 'HTTPParserError') return
  const parser = parserOf(socket)
  if (!parser?.ptr || !parser.llhttp.llhttp_get_errno) return
  const code = CODES[parser.llhttp.llhttp_get_errno(parser.ptr)]
  if (code === undefined || (isTooShort && code === 'HPE_INVALID_EOF_STATE')) return
  error.code = code
  error.message = reasonOf(parser, parser.ptr) || error.message
}

/** Returns the parser of a connection, which undici stores only under a symbol of its own. */
function parserOf(socket: Socket): Parser | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'parser')
  return symbol && (socket as unknown as Record<symbol, Parser | undefined>)[symbol]
}

function reasonOf({ llhttp }: Parser, ptr: number): string {
  const at = llhttp.llhttp_get_error_reason(ptr)
  if (at === 0) return ''
  const bytes = Buffer.from(llhttp.memory.buffer, at)
  return bytes.toString('latin1', 0, bytes.indexOf(0))
}
