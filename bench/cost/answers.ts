import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** Bytes of the body. */
const SIZE = 1024

const answer = Buffer.from(
  'HTTP/1.1 200 OK\r\n' +
    'content-type: text/plain; charset=utf-8\r\n' +
    `content-length: ${SIZE}\r\n` +
    `date: ${new Date().toUTCString()}\r\n\r\n${'x'.repeat(SIZE)}`,
)

const END = Buffer.from('\r\n\r\n')

/**
 * The cheapest backend there is: one packet of 1 KB for each GET. It does not parse, and need not, as no
 * gateway sends it anything but heads, one after the other.
 * @returns its URL
 */
export async function startBackend(): Promise<string> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (chunk) => {
      if (chunk.subarray(-END.length).equals(END)) socket.write(answer)
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
