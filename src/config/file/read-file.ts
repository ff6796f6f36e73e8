import { resolve } from 'node:path'
import { isLoopback } from '../../proxy/http/loopback.js'
import { DEFAULT_ADMIN_PORT, TOKEN_PATTERN } from '../admin-listener.js'
import type { Settings } from '../settings.js'
import { FileDocument, type Variables } from './document.js'
import { adminConfigOf, poolSettingsOf } from './environment-config.js'
import type { AdminConfig, GatewayConfig, ListenerConfig } from './gateway-config.js'
import { ConfigFileError, Mistakes, type Path } from './mistakes.js'
import { Credentials } from './resolve/credentials.js'
import { FileUseError, NamedFiles, readText } from './resolve/named-files.js'
import { resolvePools } from './resolve/pools.js'
import { resolveRoutes } from './resolve/routes.js'
import { FileSchema, type FileValue } from './schema/file-schema.js'
import type { Shape } from './schema/shape.js'
import { checkShape } from './schema-check.js'

/** Most addresses where traffic enters. */
const MAX_LISTENERS = 256

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
  const files = new NamedFiles(file, mistakes)
  try {
    const value = checkShape(FileSchema as unknown as Shape, document.value, [], mistakes) as FileValue
    const config = resolveFile(file, value, environment, files, mistakes)
    mistakes.throwIfAny()
    return { config, files: [resolve(file), ...files.paths], document: document.written }
  } catch (error) {
    if (error instanceof ConfigFileError) error.files = [resolve(file), ...files.paths]
    throw error
  }
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
  const known: { listener: ListenerConfig; path: Path }[] = []
  if (given.length > MAX_LISTENERS)
    mistakes.add(['listen', MAX_LISTENERS], `is one more than ${MAX_LISTENERS}`)
  for (const [i, listener] of given.slice(0, MAX_LISTENERS).entries()) {
    if (listener?.port === undefined) continue
    const { host = '127.0.0.1', port } = listener
    const path = ['listen', i]
    const other = known.find((each) => sharesAddress(each.listener, { host, port }))
    if (other) mistakes.add(path, `shares its address with line ${mistakes.lineOf(other.path)}`)
    known.push({ listener: { host, port }, path })
  }
  return known.map(({ listener }) => listener)
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
  return {
    host: host ?? environment.adminHost,
    port: port ?? (environment.adminPort === 'off' ? DEFAULT_ADMIN_PORT : (environment.adminPort as number)),
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
    mistakes.add(path, 'the admin API has no token, which is required where its address is not loopback')
  if (listen.some((listener) => sharesAddress(listener, admin)))
    mistakes.add(path, 'the admin API has the address of a listener')
}

/** Whether two listeners cannot both be there. Any number of them may ask for a free port. */
function sharesAddress(a: ListenerConfig, b: ListenerConfig): boolean {
  if (a.port !== b.port || a.port === 0) return false
  const [one, other] = [a.host.toLowerCase(), b.host.toLowerCase()]
  const takesIn = (wide: string, host: string) => wide === '::' || (wide === '0.0.0.0' && !host.includes(':'))
  return one === other || takesIn(one, other) || takesIn(other, one)
}
