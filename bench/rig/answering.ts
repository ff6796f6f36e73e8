import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves once a proxy answers on a port of loopback; rejects when it does not within `timeout` milliseconds. */
export async function answering(port: number, timeout: number): Promise<void> {
  const deadline = performance.now() + timeout
  while (!(await answers(port))) {
    if (performance.now() > deadline) throw new Error(`nothing answers on port ${port} after ${timeout} ms`)
    await sleep(20)
  }
}

/** Whether it answers what is no HTTP: that it says itself, and no backend hears of it. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('nonsense\r\n\r\n'))
    const done = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('data', () => done(true))
    socket.once('error', () => done(false))
    socket.once('end', () => done(false))
    socket.setTimeout(500, () => done(false))
  })
}
