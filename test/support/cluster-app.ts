import cluster from 'node:cluster'
import Fastify from 'fastify'
import leastwise, { redisStore } from '../../src/index.js'

/** An app of which node:cluster runs two processes. Each says where it listens, as `traffic URL` or `admin URL`. */
if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) cluster.fork()
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.kill('SIGTERM')
  })
  cluster.on('exit', () => {
    if (Object.keys(cluster.workers ?? {}).length === 0) process.exit(0)
  })
} else {
  const { STORE = '', BACKENDS = '' } = process.env
  const app = Fastify()
  await app.register(leastwise, {
    prefix: '/api',
    backends: BACKENDS.split(','),
    slowStart: 0,
    store: redisStore(STORE, { id: `worker-${cluster.worker?.id}` }),
    admin: { prefix: '/admin', token: 'token' },
  })
  // A port of its own, as node:cluster would spread requests to a shared one over the processes.
  console.log(await app.listen({ host: '127.0.0.1', port: 0, exclusive: true }))
  process.on('SIGTERM', () => app.close().then(() => process.exit(0)))
}
