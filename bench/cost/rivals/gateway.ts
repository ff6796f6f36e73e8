import { pino } from 'pino'
import { parseConfig } from '../../../src/config/environment.js'
import { createGateway } from '../../../src/gateway/gateway.js'
import { logStream } from '../../../src/gateway/logging/log-stream.js'
import { tenRoutes } from './ten-routes.js'

/** The stand-alone gateway, settings and log as `npm start` has them. It tells its address, which a silent one does not. */
const settings = parseConfig({ ...process.env, PORT: '0', ADMIN_PORT: '0' })
const source = process.env.BENCH_ROUTES ? tenRoutes(settings) : undefined
const logger = pino({ level: settings.logLevel }, logStream())
const gateway = await createGateway(settings, logger, undefined, source)
await gateway.listen()
process.on('disconnect', () => process.exit())
process.send?.(gateway.origins[0])
