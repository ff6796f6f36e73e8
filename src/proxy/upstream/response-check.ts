import type { Headers } from '../http/fields.js'
import { BadResponseError } from './failures/failures.js'

/** What is wrong with the head of a backend's response, so that it must not be passed on; undefined where nothing is. */
export function checkResponseHead(statusCode: number, headers: Headers): BadResponseError | undefined {
  if (statusCode < 200 || statusCode > 599) return new BadResponseError(`status ${statusCode} is none`)
  const coding = headers['transfer-encoding']
  // A gateway would have to undo any other coding (RFC 9112 section 6.1).
  if (coding !== undefined && String(coding).toLowerCase() !== 'chunked') {
    return new BadResponseError(`transfer coding "${coding}" is not understood`)
  }
  return undefined
}
