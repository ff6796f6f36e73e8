import { availableParallelism } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { pino } from 'pino'
import { StoreError } from '../balancer/errors.js'
import { EnvFileError, readEnvFile } from '../config/env-file.js'
import { parseConfig } from '../config/environment.js'
import { ConfigFileError } from '../config/file/mistakes.js'
import { SettingError } from '../config/setting-error.js'
import type { Settings } from '../config/settings.js'
import { type UnknownVariable, unknownVariables, warningOf, warningsOf } from '../config/unknown-variables.js'
import { createGateway } from './gateway.js'
import { ListenError, probeSharedPort } from './listeners.js'
import { logStream } from './logging/log-stream.js'
import { prettyLog } from './logging/pretty-log.js'
import { WorkerLogs } from './logging/worker-logs.js'
import { guardMemoryUsage } from './memory-usage.js'
import { configSource } from './reload/config-source.js'
import { ignoreHangup, onHangup, ownSignals, Signals } from './signals.js'
import { workerCount } from './worker-count.js'
import { createControlPlane } from './workers/control-plane.js'
import { WorkerStartError } from './workers/traffic-workers.js'

const NO_PRETTY_LOG =
  'log lines are JSON: LOG_FORMAT=pretty needs the package pino-pretty; npm install pino-pretty adds it'

function droppedText(lines: number): string {
  return `${lines} log line${lines === 1 ? ' was' : 's were'} dropped: standard output took no more`
}

/** Runs the serving process: environment, logger, listeners, signals. Importing this file starts it. */
async function main(): Promise<void> {
  const file = readEnvFile()
  const unknown = unknownVariables(file.variables, process.env)
  const variables = { ...file.variables, ...process.env }
  const settings = readSettings(variables, unknown)
  const source = await configSource(settings, variables)
  const workers = workerCount(
    source.config.workers,
    process.versions.node,
    availableParallelism(),
    source.file ? 'workers' : 'WORKERS',
  )
  if (workers > 1) await probeSharedPort(source.config)
  const workerLogs = workers > 1 ? new WorkerLogs() : undefined
  const stdout = logStream(
    (lines, total) => logger.warn({ event: 'log lines dropped', lines, total }, droppedText(lines)),
    workerLogs,
  )
  const pretty = settings.logFormat === 'pretty' ? await prettyLog(stdout) : undefined
  const logger = pino({ level: settings.logLevel }, pretty ?? stdout)

  if (settings.logFormat === 'pretty' && !pretty) logger.warn(NO_PRETTY_LOG)
  for (const line of warningsOf(unknown)) logger.warn(line)
  for (const line of file.strayLines)
    logger.warn(`line ${line} of .env is not understood, and is ignored: it takes NAME=value`)
  if (!source.file) ignoreHangup(logger)
  guardMemoryUsage()
  const gateway =
    workerLogs !== undefined
      ? await createControlPlane(settings, { count: workers, logger, workerLogs, log: stdout, source })
      : await createGateway(settings, logger, stdout, source)
  if (source.file) onHangup(() => gateway.reloads.reload())
  let received: NodeJS.Signals | undefined
  const signals = new Signals({
    end(signal) {
      received = signal
      closing.close()
    },
    endNow(signal) {
      logger.error({ signal }, 'stopped at once: a second signal came')
      process.exit(1)
    },
    ignored: (signal, why) => logger.info({ signal }, `${signal} changes nothing: ${why}`),
  })
  // close-with-grace gets no delay, because SHUTDOWN_TIMEOUT is applied below and decides the exit code. The class
  // Signals handles the signals.
  const closing = closeWithGrace({ delay: false, logger, skip: ownSignals }, async ({ err }) => {
    signals.begin()
    if (err) logger.fatal({ err }, 'unexpected error')
    else await leave(received)
    const cut = await gateway.close(settings.shutdownTimeout)
    if (cut > 0) {
      logger.error({ cut }, 'stopped: requests were cut after SHUTDOWN_TIMEOUT')
      process.exit(1)
    }
    logger.info('stopped')
  })
  /** Readiness fails, and connections are still accepted for SHUTDOWN_DELAY, so that load balancers in front notice. */
  const leave = async (signal: NodeJS.Signals | undefined) => {
    const { shutdownDelay } = settings
    logger.info({ signal, ...(shutdownDelay > 0 && { shutdownDelay }) }, 'shutting down')
    if (shutdownDelay === 0) return
    for (const balancer of gateway.balancers.values()) balancer.announceClosing()
    await setTimeout(shutdownDelay)
  }
  signals.listen()
  await gateway.listen().catch((error) => {
    // A listener that is closed before it is open throws this error.
    if (!signals.isEnding) throw error
  })
}

/** Reads the settings. @throws {SettingError} whose message also says where the setting may stand under a wrong name */
function readSettings(env: Record<string, string | undefined>, unknown: UnknownVariable[]): Settings {
  try {
    return parseConfig(env)
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
    const found = unknown.find(({ meant }) => meant === error.setting)
    if (!found) throw error
    const said = error.message.slice(error.setting.length + 1)
    throw new SettingError(error.setting, `${said} (${warningOf(found)})`)
  }
}

main().catch((error: unknown) => {
  if (error instanceof ConfigFileError) {
    // Each line begins with the place of a mistake, as editors and terminals read it.
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
  const expected = [SettingError, ListenError, StoreError, EnvFileError, WorkerStartError].some(
    (kind) => error instanceof kind,
  )
  process.stderr.write(
    `leastwise: ${expected ? (error as Error).message : ((error as Error)?.stack ?? String(error))}\n`,
  )
  process.exit(1)
})
