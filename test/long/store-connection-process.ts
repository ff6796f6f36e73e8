import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { said, startStoreProcess } from '../support/store-processes.js'
import { TcpProxy } from '../support/tcp-proxy.js'

describe('A process with a connection to a store', { skip: withoutRedis, concurrency: true }, () => {
  const states: [string, (t: TestContext, server: RedisServer, proxy: TcpProxy) => Promise<ChildProcess>][] =
    [
      [
        'while the store is there',
        async (t, server) => {
          const child = await startStoreProcess(t, server.url)
          await said(child, 'back')
          return child
        },
      ],
      [
        'while the store stands still',
        async (t, server) => {
          const child = await startStoreProcess(t, server.url)
          await said(child, 'back')
          server.signal('SIGSTOP')
          return child
        },
      ],
      [
        'after the store was found to stand still',
        async (t, server) => {
          const child = await startStoreProcess(t, server.url)
          await said(child, 'back')
          server.signal('SIGSTOP')
          await said(child, 'away')
          return child
        },
      ],
      [
        'while the link carries nothing',
        async (t, _server, proxy) => {
          const child = await startStoreProcess(t, proxy.url)
          await said(child, 'back')
          proxy.isHole = true
          return child
        },
      ],
      [
        'while a server accepts and says nothing',
        async (t, _server, proxy) => {
          proxy.isHole = true
          return await startStoreProcess(t, proxy.url)
        },
      ],
      [
        'while there is no server',
        async (t, server) => {
          await server.kill()
          const child = await startStoreProcess(t, server.url)
          await said(child, 'away')
          return child
        },
      ],
      ['before it has begun to connect', async (t, server) => await startStoreProcess(t, server.url)],
    ]
  for (const [when, prepare] of states) {
    test(`ends once the connection is closed ${when}`, async (t) => {
      const server = await RedisServer.start(t)
      const proxy = await TcpProxy.start(t, server.port)
      const child = await prepare(t, server, proxy)
      child.send('close')
      assert.deepEqual(await once(child, 'exit'), [0, null])
    })
  }
})
