import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Duplex, Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { RequestSender } from '../../../../src/proxy/upstream/transport/http1/request-sender.js'
import type {
  TransportListener,
  UpstreamRequest,
} from '../../../../src/proxy/upstream/transport/transport.js'

test('after a write that failed, the connection counts as blocked even when its request is forgotten', async () => {
  const refused = new Error('refused')
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(refused) })
  const sender = new RequestSender(0, assert.fail)
  const body = new Readable({ read() {} })
  body.push('some of it')
  const request = { method: 'POST', path: '/', fields: [], body } as unknown as UpstreamRequest
  const listener = { onBodyStarted() {}, onBodySent() {} } as unknown as TransportListener
  sender.send(socket as unknown as Socket, '', request, listener)
  await setImmediate()
  assert.equal(sender.writeError, refused)
  sender.forget()
  assert.equal(sender.writeError, refused)
})
