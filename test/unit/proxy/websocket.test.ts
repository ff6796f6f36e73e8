import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goingAway, WebSocketFrames } from '../../../src/proxy/upstream/tunnel/websocket.js'

/** A frame of RFC 6455 section 5.2. */
function frame(opcode: number, length: number, { masked = false, final = true } = {}): Buffer {
  const head = [(final ? 0x80 : 0) | opcode]
  const mask = masked ? 0x80 : 0
  if (length < 126) head.push(mask | length)
  else if (length < 65_536) head.push(mask | 126, length >> 8, length & 0xff)
  else
    head.push(
      mask | 127,
      0,
      0,
      0,
      0,
      length >>> 24,
      (length >> 16) & 0xff,
      (length >> 8) & 0xff,
      length & 0xff,
    )
  if (masked) head.push(1, 2, 3, 4)
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 0x88)])
}

const kinds: [string, Buffer][] = [
  ['empty', frame(1, 0)],
  ['short', frame(1, 5)],
  ['short and masked', frame(2, 125, { masked: true })],
  ['16 bits', frame(2, 126)],
  ['16 bits and masked', frame(2, 1000, { masked: true })],
  ['64 bits', frame(2, 65_536)],
  ['64 bits and masked', frame(2, 70_000, { masked: true })],
  ['part of a message', frame(1, 9, { final: false })],
  ['ping', frame(9, 3)],
]

for (const [name, bytes] of kinds) {
  test(`${name}: between frames is before the first byte and after the last`, () => {
    const whole = new WebSocketFrames()
    whole.push(Buffer.concat([bytes, bytes]))
    assert.equal(whole.open, true)
    const parts = new WebSocketFrames()
    for (let i = 0; i < bytes.length; i++) {
      assert.equal(parts.open, i === 0, `${i}`)
      parts.push(bytes.subarray(i, i + 1))
    }
    assert.equal(parts.open, true)
  })
}

test('nothing is said after a Close', () => {
  const frames = new WebSocketFrames()
  frames.push(Buffer.concat([frame(1, 3), goingAway(false)]))
  assert.equal(frames.open, false)
})

test('going away is 1001, masked towards a server', () => {
  assert.deepEqual([...goingAway(false)], [0x88, 2, 0x03, 0xe9])
  const masked = goingAway(true)
  assert.deepEqual([...masked.subarray(0, 2)], [0x88, 0x82])
  const payload = masked.subarray(6).map((byte, i) => byte ^ (masked[2 + i] as number))
  assert.deepEqual([...payload], [0x03, 0xe9])
})
