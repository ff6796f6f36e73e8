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

const refused = new Error('refused')

/** Begins to send an upload on a socket whose first write fails. */
async function sendInVain(sender: RequestSender, events: string[] = []): Promise<void> {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(refused) })
  const body = new Readable({ read() {} })
  body.push('some of it')
  const request = { method: 'POST', path: '/', fields: [], body } as unknown as UpstreamRequest
  const listener = {
    onBodyStarted() {},
    onBodySent() {},
    onBodyStopped: () => events.push('stopped'),
  } as unknown as TransportListener
  sender.send(socket as unknown as Socket, '', request, listener)
  await setImmediate()
}

test('after a write that failed, the connection counts as blocked even when its request is forgotten', async () => {
  const sender = new RequestSender(assert.fail)
  await sendInVain(sender)
  assert.equal(sender.writeError, refused)
  sender.forget()
  assert.equal(sender.writeError, refused)
})

test('the response to an earlier request on the connection does not count as one to an upload', async () => {
  const sender = new RequestSender(assert.fail)
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }) as unknown as Socket
  const request = { method: 'GET', path: '/', fields: [] } as unknown as UpstreamRequest
  sender.send(socket, 'GET', request, {} as TransportListener)
  sender.onResponse(404)
  sender.forget()
  const events: string[] = []
  await sendInVain(sender, events)
  assert.equal(sender.writeError, refused)
  assert.equal(sender.mayBeUnread, false)
  assert.deepEqual(events, [])
})
