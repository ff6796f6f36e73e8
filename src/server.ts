#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import closeWithGrace from 'close-with-grace'
import { parse } from 'dotenv'
import { pino } from 'pino'
import { parseConfig } from './config.js'
import { SettingError } from './settings.js'
import { createStandalone, ListenError } from './standalone.js'

/** The process: environment, logger, listeners, signals. */
async function main(): Promise<void> {
  const { settings, withoutEffect } = parseConfig({ ...readEnvFile(), ...process.env })
  const logger = pino({ level: settings.logLevel })
  for (const name of withoutEffect) logger.warn(`${name} has no effect in this version`)

  const gateway = await createStandalone(settings, logger)
  // No delay of its own: SHUTDOWN_TIMEOUT is kept below, and decides about the exit code.
  closeWithGrace({ delay: false, logger }, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'unexpected error')
    else logger.info({ signal }, 'shutting down')
    const cut = await gateway.close(settings.shutdownTimeout)
    if (cut > 0) throw new Error(`${cut} requests were cut after SHUTDOWN_TIMEOUT`)
  })
  await gateway.listen()
}

/** Variables from `.env`, if there is one; those of the process go before them. */
function readEnvFile(): Record<string, string> {
  try {
    return parse(readFileSync('.env'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new SettingError('.env', `cannot be read: ${(error as Error).message}`)
  }
}

main().catch((error: unknown) => {
  const expected = error instanceof SettingError || error instanceof ListenError
  process.stderr.write(
    `leastwise: ${expected ? error.message : ((error as Error)?.stack ?? String(error))}\n`,
  )
  process.exit(1)
})
