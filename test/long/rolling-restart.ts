import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering } from '../support/backend.js'
import { callJson, load } from '../support/client.js'
import { startGateway } from '../support/process.js'

for (const env of [{}, { MAX_CONNECTIONS: '3' }, { HEALTH_PATH: '/', HEALTH_INTERVAL: '100' }]) {
  test(`three backends are replaced one by one under load, and nothing is lost: ${JSON.stringify(env)}`, async (t) => {
    const first = await Promise.all([answering(5), answering(5), answering(5)])
    const gateway = await startGateway({
      BACKENDS: first.map(({ url }, i) => `${url};id=old${i}`).join(),
      SLOW_START: '500',
      RETRIES: '0',
      ...env,
    })
    t.after(() => gateway.stop('SIGKILL'))
    const stop = new AbortController()
    const running = (['GET', 'POST'] as const).map((method) =>
      load(gateway.url, { concurrency: 8, method, stop: stop.signal }),
    )
    const second = []
    for (const [i, old] of first.entries()) {
      const replacement = await answering(5)
      second.push(replacement)
      t.after(() => replacement.close())
      const { status } = await callJson('POST', `${gateway.admin}/backends`, {
        url: replacement.url,
        id: `new${i}`,
      })
      assert.equal(status, 201)
      await callJson('DELETE', `${gateway.admin}/backends/old${i}`)
      await gateway.line(({ event, backend }) => event === 'removed' && backend === `old${i}`)
      // As a deployment would: it is gone the moment that nobody needs it.
      await old.close()
      while (replacement.total < 50) await callJson('GET', `${gateway.admin}/backends`)
    }
    stop.abort()
    for (const statuses of await Promise.all(running)) assert.deepEqual([...statuses.keys()], [200])
    const { backends } = (await callJson('GET', `${gateway.admin}/backends`)).json
    assert.deepEqual(
      backends.map(({ id, inFlight, failed }: Record<string, unknown>) => [id, inFlight, failed]),
      [
        ['new0', 0, 0],
        ['new1', 0, 0],
        ['new2', 0, 0],
      ],
    )
  })
}
