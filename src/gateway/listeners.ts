import { once } from 'node:events'
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import { SettingError } from '../config/setting-error.js'

/** A listener could not be opened. The message is one line that names the setting. */
export class ListenError extends Error {}

/** An address to listen on. */
export interface Address {
  host: string
  port: number
  /** The port that other threads listen on already, where any port is free to be taken. */
  shared?: number | undefined
  /** What the user calls its host and its port: variables, or a place in the file. */
  named: { host: string; port: string }
}

/** The addresses where traffic enters. */
export function trafficAddresses({ file, listen }: Pick<GatewayConfig, 'file' | 'listen'>): Address[] {
  return listen.map(({ host, port }, i) => {
    const place = `listen[${i}]`
    return {
      host,
      port,
      named: file === undefined ? { host: 'HOST', port: 'PORT' } : { host: place, port: place },
    }
  })
}

/** The address of the admin API; undefined where there is none. */
export function adminAddress({ file, admin }: Pick<GatewayConfig, 'file' | 'admin'>): Address | undefined {
  if (admin === 'off') return undefined
  const named =
    file === undefined ? { host: 'ADMIN_HOST', port: 'ADMIN_PORT' } : { host: 'admin', port: 'admin' }
  return { host: admin.host, port: admin.port, named }
}

/** Checks that all listeners could be opened now. @throws {ListenError} */
export async function probePorts(config: GatewayConfig): Promise<void> {
  const admin = adminAddress(config)
  for (const address of [...(admin ? [admin] : []), ...trafficAddresses(config)]) await probe(address)
}

/** Checks that the listeners which a configuration adds could be opened now. @throws {ListenError} */
export async function probeAddedPorts(before: GatewayConfig, after: GatewayConfig): Promise<void> {
  const known = new Set(before.listen.map(({ host, port }) => `${host} ${port}`))
  for (const address of trafficAddresses(after))
    if (!known.has(`${address.host} ${address.port}`)) await probe(address)
}

async function probe(address: Address): Promise<void> {
  try {
    await closed(await opened({ host: addressOf(address.host), port: address.port }))
  } catch (error) {
    throw listenError(error, address)
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
 * Checks that several threads can listen on the traffic ports, and that nobody else does: another gateway with several
 * threads would not be noticed otherwise, and would get a part of the connections.
 * @throws {ListenError | SettingError}
 */
export async function probeSharedPort(
  config: Pick<GatewayConfig, 'file' | 'listen' | 'workers'>,
): Promise<void> {
  const addresses = trafficAddresses(config)
  for (const address of addresses) await probe(address)
  const [first] = addresses as [Address]
  // Systems differ, so it is tried on a port that nobody uses.
  const options = { host: addressOf(first.host), reusePort: true }
  const servers: Server[] = []
  try {
    servers.push(await opened({ ...options, port: 0 }))
    const { port: shared } = (servers[0] as Server).address() as AddressInfo
    servers.push(await opened({ ...options, port: shared }))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Some versions of Node ignore the option.
    if (code !== 'ENOTSUP' && code !== 'EADDRINUSE') throw listenError(error, first)
    throw new SettingError(
      config.file === undefined ? 'WORKERS' : 'workers',
      `does not accept ${JSON.stringify(config.workers)}: ${NO_SHARED_PORT}`,
    )
  } finally {
    await Promise.all(servers.map(closed))
  }
}

const NO_SHARED_PORT = `threads cannot share a port on this system (${process.platform}), as they can on Linux, FreeBSD, DragonFlyBSD, Solaris and AIX`

/**
 * Has a server listen on an address.
 * @param reusePort true if other threads listen on the same port
 * @returns the port, which may be any free one
 * @throws {ListenError}
 */
export async function listenOn(server: Server, address: Address, reusePort = false): Promise<number> {
  try {
    // Node's types have reusePort only in newer releases.
    const port = address.shared ?? address.port
    const options: ListenOptions = { host: addressOf(address.host), port, ...(reusePort && { reusePort }) }
    await once(server.listen(options), 'listening')
    return (server.address() as AddressInfo).port
  } catch (error) {
    throw listenError(error, address)
  }
}

/** The URL of a listener. */
export function originOf(host: string, port: number): string {
  const address = addressOf(host)
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** Resolves "localhost" to one address, so that there is one listener and one socket to close. */
export function addressOf(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

export function listenError(error: unknown, { host, port, named }: Address): ListenError {
  const { code, message } = error as NodeJS.ErrnoException
  const reasons: Record<string, [name: string, why: string]> = {
    EADDRINUSE: [named.port, 'the address is in use'],
    EACCES: [named.port, 'permission denied'],
    EADDRNOTAVAIL: [named.host, 'this machine has no such address'],
    ENOTFOUND: [named.host, 'the name has no address'],
    EAI_AGAIN: [named.host, 'the name has no address'],
  }
  const [name, why] = reasons[code ?? ''] ?? [named.port, message]
  return new ListenError(`${name} cannot listen on ${host}:${port}: ${why}`)
}
