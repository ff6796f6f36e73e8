import closeWithGrace from 'close-with-grace'
import { pino } from 'pino'
import { StoreError } from './balancer/errors.js'
import { parseConfig } from './config.js'
import { EnvFileError, readEnvFile } from './env-file.js'
import { ListenError } from './listening.js'
import { logStream } from './log-stream.js'
import { guardMemoryUsage } from './memory-usage.js'
import { prettyLog } from './pretty-log.js'
import { SettingError } from './settings.js'
import { createStandalone } from './standalone.js'

/** The process that serves, from its import on: environment, logger, listeners, signals. */
async function main(): Promise<void> {
  const settings = parseConfig({ ...readEnvFile(), ...process.env })
  const stdout = logStream()
  const stream = settings.logFormat === 'pretty' ? await prettyLog(stdout) : stdout
  const logger = pino({ level: settings.logLevel }, stream)

  guardMemoryUsage()
  const gateway = await createStandalone(settings, logger)
  // No delay of its own: SHUTDOWN_TIMEOUT is kept below, and decides about the exit code.
  closeWithGrace({ delay: false, logger }, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'unexpected error')
    else logger.info({ signal }, 'shutting down')
    const cut = await gateway.close(settings.shutdownTimeout)
    if (cut > 0) {
      logger.error({ cut }, 'stopped: requests were cut after SHUTDOWN_TIMEOUT')
      process.exit(1)
    }
    logger.info('stopped')
  })
  await gateway.listen()
}

main().catch((error: unknown) => {
  const expected = [SettingError, ListenError, StoreError, EnvFileError].some((kind) => error instanceof kind)
  process.stderr.write(
    `leastwise: ${expected ? (error as Error).message : ((error as Error)?.stack ?? String(error))}\n`,
  )
  process.exit(1)
})
