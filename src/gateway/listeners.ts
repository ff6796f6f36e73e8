import { once } from 'node:events'
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { SettingError } from '../config/setting-error.js'
import type { Settings } from '../config/settings.js'

/** A listener could not be opened. The message is one line that names the environment variable. */
export class ListenError extends Error {}

/** Checks that both listeners could be opened now. @throws {ListenError} */
export async function probePorts({ host, port, adminHost, adminPort }: Settings): Promise<void> {
  if (adminPort !== 'off') await probe(adminHost, adminPort, 'ADMIN_')
  await probe(host, port, '')
}

async function probe(host: string, port: number, prefix: string): Promise<void> {
  try {
    await closed(await opened({ host: addressOf(host), port }))
  } catch (error) {
    throw listenError(error, host, port, prefix)
  }
}

async function opened(options: ListenOptions): Promise<Server> {
  const server = createServer()
  await once(server.listen(options), 'listening')
  return server
}

async function closed(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}

/**
 * Checks that several threads can listen on the traffic port, and that nobody else does: another gateway with several
 * threads would not be noticed otherwise, and would get a part of the connections.
 * @throws {ListenError | SettingError}
 */
export async function probeSharedPort({
  host,
  port,
  workers,
}: Pick<Settings, 'host' | 'port' | 'workers'>): Promise<void> {
  await probe(host, port, '')
  // Systems differ, so it is tried on a port that nobody uses.
  const options = { host: addressOf(host), reusePort: true }
  const servers: Server[] = []
  try {
    servers.push(await opened({ ...options, port: 0 }))
    const { port: shared } = (servers[0] as Server).address() as AddressInfo
    servers.push(await opened({ ...options, port: shared }))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Some versions of Node ignore the option.
    if (code !== 'ENOTSUP' && code !== 'EADDRINUSE') throw listenError(error, host, port, '')
    throw new SettingError('WORKERS', `does not accept ${JSON.stringify(workers)}: ${NO_SHARED_PORT}`)
  } finally {
    await Promise.all(servers.map(closed))
  }
}

const NO_SHARED_PORT = `threads cannot share a port on this system (${process.platform}), as they can on Linux, FreeBSD, DragonFlyBSD, Solaris and AIX`

/**
 * Opens the listener of an app.
 * @param prefix of the variables for host and port
 * @param reusePort true if other threads listen on the same port
 * @throws {ListenError}
 */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  prefix: string,
  reusePort = false,
): Promise<void> {
  try {
    // Fastify passes the options on to Node, whose types have reusePort only in newer releases.
    await app.listen({ host: addressOf(host), port, ...(reusePort && { reusePort }) })
  } catch (error) {
    throw listenError(error, host, port, prefix)
  }
}

/**
 * Resolves "localhost" to one address, because Fastify would open a listener for each of its addresses and wait for
 * only one of them when it closes.
 */
function addressOf(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

function listenError(error: unknown, host: string, port: number, prefix: string): ListenError {
  const { code, message } = error as NodeJS.ErrnoException
  const reasons: Record<string, [variable: string, why: string]> = {
    EADDRINUSE: ['PORT', 'the address is in use'],
    EACCES: ['PORT', 'permission denied'],
    EADDRNOTAVAIL: ['HOST', 'this machine has no such address'],
    ENOTFOUND: ['HOST', 'the name has no address'],
    EAI_AGAIN: ['HOST', 'the name has no address'],
  }
  const [variable, why] = reasons[code ?? ''] ?? ['PORT', message]
  return new ListenError(`${prefix}${variable} cannot listen on ${host}:${port}: ${why}`)
}
