import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientGoneError } from '../../../src/balancer/errors.js'
import type { ProxyContext } from '../../../src/proxy/context.js'
import { isConnectionFault, outcomeOf, type Progress } from '../../../src/proxy/upstream/failures/blame.js'
import { failureOnDeadline } from '../../../src/proxy/upstream/failures/expiry.js'
import { BackendTimeoutError, UploadStalledError } from '../../../src/proxy/upstream/failures/failures.js'
import type { Phase } from '../../../src/proxy/upstream/phases.js'
import { UploadProgress } from '../../../src/proxy/upstream/upload-progress.js'

const NOW = 1000

function coded(code: string): Error {
  return Object.assign(new Error(code), { code })
}

function unconnected(code: string, address: string): Error {
  return Object.assign(coded(code), { syscall: 'connect', address })
}

interface Case extends Partial<Omit<Progress, 'context' | 'transport' | 'body'>> {
  upgrade?: string
  source?: { complete: boolean }
  blocked?: boolean
  unreadFor?: number
}

function progressOf({ upgrade, source, blocked = false, unreadFor, ...rest }: Case): Progress {
  return {
    context: { upgrade, source } as ProxyContext,
    transport: { blocked },
    now: NOW,
    isSent: true,
    isRespondingWell: false,
    upload: undefined,
    body: unreadFor === undefined ? undefined : { isStream: true, pausedFor: unreadFor },
    ...rest,
  }
}

/** @param ago milliseconds since the last bytes */
function uploading(bytes: number, ago: number): UploadProgress {
  const upload = new UploadProgress(0)
  upload.sent(bytes, NOW - ago)
  return upload
}

function refused(): UploadProgress {
  const upload = uploading(1, 0)
  upload.refuse()
  return upload
}

const cases: [string, Error, Case, string][] = [
  ['the client left', new ClientGoneError(), {}, 'cancelled'],
  ['a head over the limit of the gateway', coded('HPE_HEADER_OVERFLOW'), {}, 'cancelled'],
  ['a head with too many fields for the gateway', coded('HPE_TOO_MANY_FIELDS'), {}, 'cancelled'],
  ['no descriptor left', coded('EMFILE'), { isSent: false }, 'cancelled'],
  ['no descriptor left for a Unix socket', unconnected('EMFILE', '/a.sock'), { isSent: false }, 'cancelled'],
  ['no room for another connection', unconnected('EAGAIN', '10.0.0.1'), { isSent: false }, 'cancelled'],
  ['a Unix socket whose queue is full', unconnected('EAGAIN', '/a.sock'), { isSent: false }, 'failed'],
  ['an abstract socket whose queue is full', unconnected('EAGAIN', '\0a'), { isSent: false }, 'failed'],
  ['a Unix socket that does not exist', unconnected('ENOENT', '/a.sock'), { isSent: false }, 'failed'],
  ['a refused connection', coded('ECONNREFUSED'), { isSent: false }, 'failed'],
  ['a reset while the response is waited for', coded('ECONNRESET'), {}, 'failed'],
  [
    'a reset after a good response to part of an upload',
    coded('ECONNRESET'),
    { upload: refused(), isRespondingWell: true },
    'cancelled',
  ],
  [
    'a reset after a bad response to part of an upload',
    coded('ECONNRESET'),
    { upload: refused() },
    'doubtful',
  ],
  ['a protocol that the backend may not know', coded('ECONNRESET'), { upgrade: 'websocket' }, 'doubtful'],
  ['a reset early in an upload', coded('ECONNRESET'), { upload: uploading(65_535, 199) }, 'failed'],
  ['a reset in a large upload', coded('ECONNRESET'), { upload: uploading(65_536, 0) }, 'doubtful'],
  ['a reset in an upload that has stalled', coded('ECONNRESET'), { upload: uploading(1, 200) }, 'doubtful'],
  [
    'a reset in an upload that the backend did not take',
    coded('ECONNRESET'),
    { upload: uploading(1, 200), blocked: true },
    'failed',
  ],
  ['a reset while the client reads', coded('ECONNRESET'), { unreadFor: 199 }, 'failed'],
  ['a reset while the client does not read', coded('ECONNRESET'), { unreadFor: 200 }, 'doubtful'],
  ['no HTTP, whatever the client did', coded('HPE_INVALID_CONSTANT'), { upload: refused() }, 'failed'],
]

for (const [name, error, progress, outcome] of cases) {
  test(`${name}: ${outcome}`, () => assert.equal(outcomeOf(error, progressOf(progress)), outcome))
}

test('only a kept connection that was closed soon after its next use is to blame alone', () => {
  assert.equal(isConnectionFault(coded('ECONNRESET'), true, 499), true)
  assert.equal(isConnectionFault(coded('ECONNRESET'), true, 500), false)
  assert.equal(isConnectionFault(coded('ECONNRESET'), false, 0), false)
  assert.equal(isConnectionFault(coded('ECONNREFUSED'), true, 0), false)
})

const expiries: [string, Phase, Case, string, string][] = [
  ['no connection', 'connection', {}, 'connection', 'failed'],
  ['no response', 'response', {}, 'response', 'failed'],
  [
    'an upload that the backend does not take',
    'request',
    { upload: uploading(1, 9), blocked: true },
    'request',
    'failed',
  ],
  ['a good response that stops', 'body', { isRespondingWell: true }, 'body', 'cancelled'],
  ['a gateway failure that stops', 'body', {}, 'body', 'failed'],
]

for (const [name, phase, progress, waitingFor, outcome] of expiries) {
  test(`${name} in time: ${outcome}`, () => {
    const failure = failureOnDeadline(phase, progressOf(progress))
    assert.ok(failure?.error instanceof BackendTimeoutError)
    assert.deepEqual([failure.error.waitingFor, failure.outcome], [waitingFor, outcome])
  })
}

test('a client that sends no more gets the time twice, and a hook of the app once', () => {
  const byClient = progressOf({ upload: uploading(1, 9), source: { complete: false } })
  assert.equal(failureOnDeadline('request', byClient), undefined)
  const second = failureOnDeadline('request', byClient)
  assert.ok(second?.error instanceof UploadStalledError)
  assert.deepEqual([second.error.isFromHook, second.outcome], [false, 'cancelled'])
  const first = failureOnDeadline(
    'request',
    progressOf({ upload: uploading(1, 9), source: { complete: true } }),
  )
  assert.ok(first?.error instanceof UploadStalledError)
  assert.equal(first.error.isFromHook, true)
})
