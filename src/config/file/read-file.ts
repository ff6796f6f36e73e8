import { resolve } from 'node:path'
import { isLoopback } from '../../proxy/http/loopback.js'
import { TOKEN_PATTERN } from '../admin-listener.js'
import type { Settings } from '../settings.js'
import { Credentials } from './credentials.js'
import { FileDocument, type Variables } from './document.js'
import { adminConfigOf, poolSettingsOf } from './environment-config.js'
import type { AdminConfig, GatewayConfig, ListenerConfig } from './gateway-config.js'
import { ConfigFileError, Mistakes, type Path } from './mistakes.js'
import { FileUseError, NamedFiles, readText } from './named-files.js'
import { resolvePools } from './pools.js'
import { resolveRoutes } from './routes.js'
import { FileSchema, type FileValue } from './schema.js'
import { checkShape } from './schema-check.js'
import type { Shape } from './shape.js'

/** What a gateway's file says. */
export interface ReadFile {
  config: GatewayConfig
  /** Absolute paths of the file and of all files that it names. */
  files: readonly string[]
  /** The document as it is written, before variables were put in. */
  document: unknown
}

/**
 * Reads and checks a gateway's file.
 * @param environment the settings of the environment, which are the defaults of what the file leaves out
 * @param variables what `${NAME}` in the file stands for
 * @throws {ConfigFileError} that has every mistake
 */
export function readGatewayFile(file: string, environment: Settings, variables: Variables): ReadFile {
  const refuse = (message: string) =>
    new ConfigFileError([{ file, line: null, column: null, path: '', message }])
  let text: string
  try {
    text = readText(file)
  } catch (error) {
    throw error instanceof FileUseError ? refuse(error.message) : error
  }
  if (text.trim() === '') throw refuse('is empty')
  const document = new FileDocument(file, text, variables)
  if (document.mistakes.length > 0) throw new ConfigFileError(document.mistakes)
  const mistakes = new Mistakes(file, document)
  if (document.value === null || typeof document.value !== 'object' || Array.isArray(document.value)) {
    mistakes.add([], 'it takes fields: listen, workers, admin, pools, routes')
    mistakes.throwIfAny()
  }
  const value = checkShape(FileSchema as unknown as Shape, document.value, [], mistakes) as FileValue
  const files = new NamedFiles(file, mistakes)
  const config = resolveFile(file, value, environment, files, mistakes)
  mistakes.throwIfAny()
  return { config, files: [resolve(file), ...files.paths], document: document.written }
}

function resolveFile(
  file: string,
  value: FileValue,
  environment: Settings,
  files: NamedFiles,
  mistakes: Mistakes,
): GatewayConfig {
  const pools = resolvePools(value.pools ?? {}, poolSettingsOf(environment), files, mistakes)
  const names = new Set(pools.map(({ name }) => name))
  const { routes } = value
  if (routes === undefined && names.size > 1 && !mistakes.covers(['routes']))
    mistakes.add(['pools'], 'has several pools, so that routes have to say which requests each gets', 'name')
  const listen = resolveListen(value.listen, environment, mistakes)
  const admin = resolveAdmin(value.admin, environment, files, mistakes)
  checkAdmin(admin, listen, value, mistakes)
  return {
    file,
    listen,
    workers: (value.workers as GatewayConfig['workers'] | undefined) ?? environment.workers,
    admin,
    pools,
    routes: routes && resolveRoutes(routes, names, new Credentials(files, mistakes), mistakes),
  }
}

function resolveListen(
  given: FileValue['listen'],
  environment: Settings,
  mistakes: Mistakes,
): ListenerConfig[] {
  if (given === undefined) return [{ host: environment.host, port: environment.port }]
  const known = new Map<string, Path>()
  const listeners: ListenerConfig[] = []
  for (const [i, listener] of given.entries()) {
    if (listener?.port === undefined) continue
    const { host = '127.0.0.1', port } = listener
    const address = `${host.toLowerCase()} ${port}`
    const other = known.get(address)
    // Any number of listeners may ask for a free port.
    if (other && port !== 0) mistakes.add(['listen', i], `is the address of line ${mistakes.lineOf(other)}`)
    known.set(address, ['listen', i])
    listeners.push({ host, port })
  }
  return listeners
}

function resolveAdmin(
  given: FileValue['admin'],
  environment: Settings,
  files: NamedFiles,
  mistakes: Mistakes,
): AdminConfig | 'off' {
  if (given === undefined) return adminConfigOf(environment)
  if (typeof given === 'string') return 'off'
  const { host, port, token, tokenFile } = given
  if (token !== undefined && tokenFile !== undefined)
    mistakes.add(['admin', 'token'], 'tokenFile is there as well: it takes one of them', 'name')
  if (token !== undefined && !mistakes.isInserted(['admin', 'token']))
    mistakes.add(
      ['admin', 'token'],
      'is a secret: it takes ${NAME}, a variable of the environment, or use tokenFile',
    )
  return {
    host: host ?? environment.adminHost,
    port: port ?? (environment.adminPort === 'off' ? 0 : (environment.adminPort as number)),
    token: token ?? (tokenFile === undefined ? environment.adminToken : tokenIn(tokenFile, files, mistakes)),
  }
}

function tokenIn(file: string, files: NamedFiles, mistakes: Mistakes): string {
  const path = ['admin', 'tokenFile']
  const token = files.read(file, path)?.trim()
  if (token !== undefined && !TOKEN_PATTERN.test(token))
    mistakes.refuse(path, file, 'the file has something else than a token of printable ASCII without blanks')
  return token ?? ''
}

/** Checks that others need a token for the admin API, and that it has an address of its own. */
function checkAdmin(
  admin: AdminConfig | 'off',
  listen: readonly ListenerConfig[],
  value: FileValue,
  mistakes: Mistakes,
): void {
  if (admin === 'off' || mistakes.covers(['admin'])) return
  const path = value.admin === undefined ? [] : ['admin']
  if (admin.token === '' && !isLoopback(admin.host))
    mistakes.add(
      path,
      `the admin API has no token, which is required as ${admin.host} is not a loopback address`,
    )
  const isShared = listen.some(({ host, port }) => port === admin.port && port !== 0 && host === admin.host)
  if (isShared) mistakes.add(path, `the admin API has the address ${admin.host}:${admin.port} of a listener`)
}
