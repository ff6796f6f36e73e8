import { isDeepStrictEqual } from 'node:util'
import { type Played, play } from '../support/played-response.js'
import type { Answer } from './answer.js'
import type { Heard } from './node-client.js'

/** A response of which our parser and Node's client say different things. */
export interface Compared {
  answer: Answer
  ours: Played
  node: Heard
  /** What is different. */
  differs: readonly string[]
}

interface Difference {
  name: string
  /** Why it is right that the two differ. */
  reason: string
  explains(compared: Compared): boolean
}

type Said = Pick<Played, 'heads' | 'body'>

const isFault = (end: string) => end.startsWith('HPE_') || end === 'BAD_ANSWER'

/** Returns true if one of them has said no more of a response than the other. */
function saysNoMore(one: Said, other: Said): boolean {
  return (
    isDeepStrictEqual(one.heads, other.heads.slice(0, one.heads.length)) && other.body.startsWith(one.body)
  )
}

/** Returns true if our parser refuses a response for a reason, and Node's client does not, or later. */
function refusesFirst({ ours, node }: Compared, reason: RegExp): boolean {
  return isFault(ours.end) && reason.test(ours.reason) && saysNoMore(ours, node)
}

/** Returns true if Node's client refuses a response with a code, and our parser does not, or later. */
function acceptsMore({ ours, node }: Compared, ...codes: string[]): boolean {
  return codes.includes(node.end) && saysNoMore(node, ours)
}

function saysBoth({ heads }: Said): boolean {
  const connection = String(heads.at(-1)?.[2].connection).toLowerCase()
  return connection.includes('keep-alive') && connection.includes('close')
}

/** Every way in which our parser may differ from Node's client. Anything else is a fault of one of them. */
export const differences: readonly Difference[] = [
  {
    name: 'both refuse it',
    reason:
      'Of two faults either may be named, and some have several names. What is passed on before is no more.',
    explains: ({ ours, node }) => isFault(ours.end) && isFault(node.end) && saysNoMore(ours, node),
  },
  {
    name: 'half a head',
    reason:
      'A line is judged when its end has come, and lengths at the end of the head, so that the verdict does not depend on the cuts.',
    explains({ answer, ours, node, differs }) {
      if (ours.end !== 'cut' || !isFault(node.end) || differs.join() !== 'end') return false
      return ['\r\n', '\r\n\r\n'].some((end) =>
        isFault(play([Buffer.from(answer.text + end, 'latin1')], answer).end),
      )
    },
  },
  {
    name: 'an informational response of HTTP/1.0, or with Connection: close',
    reason:
      'The final response follows all the same (RFC 9110 section 15.2); llhttp takes the connection for closed.',
    explains: (compared) =>
      acceptsMore(compared, 'HPE_CLOSED_CONNECTION') && (compared.node.heads.at(-1)?.[0] ?? 200) < 200,
  },
  {
    name: 'a chunk extension',
    reason:
      'A recipient must ignore extensions that it does not know (RFC 9112 section 7.1.1), and their grammar with them.',
    explains: (compared) => acceptsMore(compared, 'HPE_STRICT') && /[\da-f];/i.test(compared.answer.text),
  },
  {
    name: 'a tab around a value',
    reason:
      'It is whitespace as a space is (RFC 9110 section 5.6.3); llhttp takes it for a part of some values.',
    explains: ({ answer, ours, node }) =>
      /^(connection|content-length|transfer-encoding):(\s*\t.*|.*\t\s*)\r$/im.test(answer.text) &&
      isDeepStrictEqual(ours.heads.slice(0, node.heads.length), node.heads),
  },
  {
    name: 'a Content-Length among trailers',
    reason:
      'It frames nothing there, and is not passed on (RFC 9110 section 6.5.1); the response is complete.',
    explains: (compared) =>
      acceptsMore(compared, 'HPE_INVALID_CONTENT_LENGTH') &&
      compared.node.heads.length === compared.ours.heads.length &&
      /\r\n0+(;.*)?\r\n(.*\r\n)*content-length:/i.test(compared.answer.text),
  },
  {
    name: 'a transfer coding other than chunked',
    reason:
      'The gateway refuses the head (src/proxy/upstream/response-check.ts), so the body is not decoded.',
    explains(compared) {
      const { ours, node } = compared
      const coding = ours.heads.at(-1)?.[2]['transfer-encoding']
      const isOther = coding !== undefined && String(coding).toLowerCase() !== 'chunked'
      const isRead = isDeepStrictEqual(ours.heads, node.heads)
      return isOther && (isRead || acceptsMore(compared, 'HPE_INVALID_TRANSFER_ENCODING'))
    },
  },
  {
    name: 'chunks in HTTP/1.0',
    reason: 'The connection must not be used again (RFC 9112 section 6.1).',
    explains: ({ ours, node, differs }) =>
      differs.join() === 'keepsAlive' &&
      !ours.keepsAlive &&
      node.version === '1.0' &&
      ours.heads.at(-1)?.[2]['transfer-encoding'] !== undefined,
  },
  {
    name: 'a response to HEAD without a length',
    reason: 'It has no body, so the connection may be used again (RFC 9112 section 6.3).',
    explains: ({ answer, ours, differs }) =>
      differs.join() === 'keepsAlive' &&
      ours.keepsAlive &&
      answer.method === 'HEAD' &&
      ours.heads.at(-1)?.[2]['content-length'] === undefined,
  },
  {
    name: '204 that announces a body',
    reason: 'It may come although a 204 has none, so the connection is not used again.',
    explains: ({ ours, differs }) =>
      differs.join() === 'keepsAlive' && !ours.keepsAlive && ours.heads.at(-1)?.[0] === 204,
  },
  {
    name: 'a length beside an empty transfer coding',
    reason:
      'A Transfer-Encoding of any kind beside a length may be an attempt to smuggle (RFC 9112 section 6.3).',
    explains: (compared) =>
      refusesFirst(compared, /^Content-Length can't be present with Transfer-Encoding$/) &&
      /transfer-encoding:[ \t]*\r\n/i.test(compared.answer.text),
  },
  {
    name: 'HTTP/1.0 with keep-alive and close',
    reason: 'Of the two, close holds (RFC 9112 section 9.3).',
    explains: ({ ours, node, differs }) =>
      differs.join() === 'keepsAlive' && !ours.keepsAlive && node.version === '1.0' && saysBoth(ours),
  },
  {
    name: 'another version',
    reason: 'HTTP/0.9 and HTTP/2.0 have no such responses; the gateway refuses what Node reads.',
    explains: (compared) => refusesFirst(compared, /^version (0\.9|2\.0) is not spoken$/),
  },
  {
    name: 'another protocol',
    reason: 'Responses of RTSP and ICE are none of HTTP.',
    explains: (compared) =>
      refusesFirst(compared, /^Expected HTTP/) && /RTSP\/|ICE\//.test(compared.answer.text),
  },
  {
    name: 'a bare CR or LF before the head',
    reason: 'Only CRLF ends a line (RFC 9112 section 2.2).',
    explains: (compared) =>
      refusesFirst(compared, /^Expected HTTP/) && /(^|\r\n)(\n|\r(?!\n))/.test(compared.answer.text),
  },
  {
    name: 'a bare CR at the end of the status line',
    reason: 'Only CRLF ends a line (RFC 9112 section 2.2).',
    explains: (compared) => refusesFirst(compared, /^no LF behind the CR of the status line$/),
  },
  {
    name: 'a status of class 0',
    reason: 'There is no such class (RFC 9110 section 15).',
    explains: (compared) =>
      refusesFirst(compared, /^Invalid status code$/) && / 0\d\d/.test(compared.answer.text),
  },
  {
    name: 'a switch that was not asked for',
    reason: 'The client would read its bytes as HTTP (RFC 9110 section 7.8).',
    explains: (compared) => refusesFirst(compared, /^a switch that nobody asked for$/),
  },
  {
    name: 'a length or a chunk of more than 2^53 - 1 bytes',
    reason: 'Such a number is not exact here, and no body is so long.',
    explains: (compared) => refusesFirst(compared, /^(Content-Length|Chunk size) overflow$/),
  },
]
