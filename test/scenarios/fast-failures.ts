import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering, changing, type Handler, status } from '../support/backend.js'
import { load } from '../support/client.js'
import { startGateway } from '../support/process.js'

const ways = {
  'answers 500': status(500),
  'answers 503': status(503),
  resets: (request) => request.socket.resetAndDestroy(),
  'says what is no HTTP': (request) => request.socket.end('what?\r\n\r\n'),
} satisfies Record<string, Handler>

// Neither lets it off with time: how long a machine takes for 2,000 requests is not what is asked. (How often a backend
// is tried again in a time is, in test/unit/balancer/share-limits.test.ts.)
const means = {
  'by ejection': { EJECT_BASE: '300000' },
  'by the penalty alone': { EJECT_CONSECUTIVE: '1000', FAILURE_DECAY: '100000000' },
}

/** A way to fail at once, and what keeps it from many requests. */
export type FastFailure = [way: keyof typeof ways, by: keyof typeof means]

/** All there are. */
export const fastFailures = Object.keys(ways).flatMap((way) =>
  Object.keys(means).map((by) => [way, by] as FastFailure),
)

export function fastFailure(way: FastFailure[0], by: FastFailure[1]): void {
  test(`2,000 POSTs while one of four ${way} at once: at most 10 are lost, ${by}`, async (t) => {
    const bad = await changing(status(200, 2))
    const backends = [bad, await answering(2), await answering(2), await answering(2)]
    for (const backend of backends) t.after(() => backend.close())
    const gateway = await startGateway({ BACKENDS: backends.map(({ url }) => url).join(), ...means[by] })
    t.after(() => gateway.stop('SIGKILL'))
    const warm = await load(gateway.url, { total: 200, concurrency: 20, method: 'POST' })
    assert.deepEqual([...warm], [[200, 200]])
    bad.become(ways[way])
    const statuses = await load(gateway.url, { total: 2000, concurrency: 20, method: 'POST' })
    assert.ok((statuses.get(200) ?? 0) >= 1990, JSON.stringify([...statuses]))
  })
}
