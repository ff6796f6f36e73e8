import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { type Client, clientsOf } from '../../src/stores/redis/client.js'
import { parseStoreUrl } from '../../src/stores/redis/url.js'
import { spawn } from '../support/children.js'
import { root } from '../support/process.js'

// What ioredis does with the options that its clients are given. A server is played here, because a real one does not say
// how often it was asked.

const CLOSE = Symbol('close')
const HOLD = ''
type Reply = string | typeof CLOSE

/** Plays a server: `replyTo` is asked for the reply to each command. Notes the commands, in upper case. */
async function playServer(t: TestContext, replyTo: (command: string, port: number) => Reply) {
  const commands: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.setEncoding('latin1').on('data', (bytes: string) => {
      // Each command begins with its number of words, and each word with its length.
      for (const part of bytes.split(/^\*\d+\r\n/m).slice(1)) {
        const command = part
          .replaceAll(/\$\d+\r\n/g, '')
          .trim()
          .split('\r\n')
          .join(' ')
          .toUpperCase()
        commands.push(command)
        const reply = replyTo(command, (server.address() as AddressInfo).port)
        if (reply === CLOSE) socket.destroy()
        else socket.write(reply)
      }
    })
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: (server.address() as AddressInfo).port, commands }
}

async function clientOf(t: TestContext, url: string): Promise<{ client: Client; errors: string[] }> {
  const address = parseStoreUrl(url)
  const client = (await clientsOf({ ...address, address }))()
  t.after(() => client.disconnect())
  const errors: string[] = []
  client.on('error', ({ message }: Error) => errors.push(message))
  return { client, errors }
}

/** All slots are at one node. */
const slots = (port: number) => `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:${port}\r\n`
/** Unlike `once` of Node this does not reject where there is an error before. */
const endOf = (client: Client) => new Promise((resolve) => client.once('end', resolve))
const evals = (commands: string[]) => commands.filter((command) => command.startsWith('EVAL'))

test('a client ends with its connection, and what was not answered fails and is not sent again', async (t) => {
  const { port, commands } = await playServer(t, (command) =>
    command.startsWith('EVAL') ? CLOSE : '+OK\r\n',
  )
  const { client } = await clientOf(t, `redis://127.0.0.1:${port}`)
  await client.connect()
  const ended = endOf(client)
  await assert.rejects(client.eval('return 1', 0), /closed/i)
  await ended
  await assert.rejects(client.eval('return 1', 0), /closed/i)
  assert.equal(evals(commands).length, 1)
})

test('a client of a cluster ends with its nodes, and does not send again what may have been carried out', async (t) => {
  const { port, commands } = await playServer(t, (command, port) => {
    if (command.startsWith('CLUSTER SLOTS')) return slots(port)
    return command.startsWith('EVAL') ? CLOSE : '+OK\r\n'
  })
  const { client } = await clientOf(t, `redis://127.0.0.1:${port}?cluster=true`)
  await client.connect()
  const ended = endOf(client)
  await assert.rejects(client.eval('return 1', 1, 'a'), /closed/i)
  await ended
  assert.equal(evals(commands).length, 1)
})

test('a cluster that is down says so at once, and is not asked again', async (t) => {
  const { port, commands } = await playServer(t, (command, port) => {
    if (command.startsWith('CLUSTER SLOTS')) return slots(port)
    return command.startsWith('EVAL') ? '-CLUSTERDOWN The cluster is down\r\n' : '+OK\r\n'
  })
  const { client } = await clientOf(t, `redis://127.0.0.1:${port}?cluster=true`)
  await client.connect()
  await assert.rejects(client.eval('return 1', 1, 'a'), { name: 'ReplyError', message: /^CLUSTERDOWN/ })
  assert.equal(evals(commands).length, 1)
})

test('what cannot be sent at once fails, and does not wait', async (t) => {
  const { port } = await playServer(t, () => HOLD)
  const { client } = await clientOf(t, `redis://127.0.0.1:${port}`)
  const connected = client.connect()
  await once(client, 'connect')
  await assert.rejects(client.eval('return 1', 0), /enableOfflineQueue/)
  client.disconnect()
  await assert.rejects(connected)
})

test('an error comes before the end that it causes', async (t) => {
  const { port } = await playServer(t, (command) =>
    command.startsWith('AUTH') ? '-WRONGPASS invalid username-password pair\r\n' : '+OK\r\n',
  )
  const { client, errors } = await clientOf(t, `redis://:x@127.0.0.1:${port}`)
  const ended = endOf(client)
  await assert.rejects(client.connect())
  await ended
  assert.match(errors[0] as string, /^WRONGPASS/)
})

test('Sentinels that cannot be reached end a client', async (t) => {
  const { client, errors } = await clientOf(t, 'redis://127.0.0.1:1,127.0.0.1:2?sentinel=mymaster')
  const ended = endOf(client)
  await assert.rejects(client.connect(), /sentinels are unreachable/)
  await ended
  assert.equal(errors.length, 1)
})

test('without ioredis a store says what to install', async () => {
  const hook = `export async function resolve(name, context, next) {
    if (name !== 'ioredis') return next(name, context)
    throw Object.assign(new Error('there is no such package'), { code: 'ERR_MODULE_NOT_FOUND' })
  }`
  const program = `
    import { register } from 'node:module'
    register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(hook))})
    const { redisStore } = await import(${JSON.stringify(join(root, 'dist/src/stores/redis/redis-store.js'))})
    const store = redisStore('redis://:SECRET@nowhere.invalid')
    await store.forPool('a').load().catch(({ message }) => console.log(message))
    await store.open().catch(({ message }) => console.log(message))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = (await text(child.stdout as Readable)).trim().split('\n')
  assert.deepEqual(lines, Array(2).fill('it needs the package ioredis: npm install ioredis'))
})
