import { connect } from 'node:net'
import { test } from 'node:test'
import { spawn } from './children.js'
import { startGateway } from './process.js'

// Run by children.test.ts: a file whose test never ends, with children that would not end by themselves.
test('never ends', async () => {
  const gateway = await startGateway()
  // One that cannot notice anything, as it is stopped.
  const stopped = await startGateway()
  stopped.child.kill('SIGSTOP')
  // One that is not Node, and starts others.
  spawn('/bin/sh', ['-c', 'sleep 1000 & sleep 1000 & wait'], { stdio: 'inherit', detached: true })
  connect(Number(process.env.TELL), '127.0.0.1').write(`${gateway.url}\n${process.pid}\n`)
  await new Promise(() => {})
})
