import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isOfUnixSocket } from './library-error.js'

/** A resource that this process, or its machine, can run out of. */
export interface Exhaustion {
  /** The error's code, for example `EMFILE`. */
  code: string
  /** The name of the resource, in words that can follow "no", for example "file descriptors left". */
  missing: string
  /** The name of the limit, as it is called in the place where it is set. */
  setting: string
  /** Returns the limit that was reached; null if the limit is not known. */
  limit(): string | null
}

const unknown = () => null

const kinds: Record<string, Omit<Exhaustion, 'code'>> = {
  EMFILE: { missing: 'file descriptors left', setting: 'ulimit -n', limit: descriptorLimit },
  ENFILE: {
    missing: 'file descriptors left on this machine',
    setting: 'fs.file-max',
    limit: () => read('/proc/sys/fs/file-max'),
  },
  EADDRNOTAVAIL: {
    missing: 'local ports left',
    setting: 'net.ipv4.ip_local_port_range',
    limit: () => read('/proc/sys/net/ipv4/ip_local_port_range'),
  },
  EAGAIN: { missing: 'room for another connection', setting: 'the system', limit: unknown },
  ENOBUFS: { missing: 'buffers for connections left', setting: 'net.ipv4.tcp_mem', limit: unknown },
  ENOMEM: { missing: 'memory for connections left', setting: 'net.ipv4.tcp_mem', limit: unknown },
}

/**
 * Returns the resource that this process or machine has run out of, if that is why a connection to a backend failed;
 * undefined for every other error. The backend is not to blame, and another backend would not be reached either.
 */
export function exhaustionOf(error: Error): Exhaustion | undefined {
  const { code = '', errors } = error as NodeJS.ErrnoException & { errors?: Error[] }
  // Such an error contains one error for each address of a name.
  for (const one of errors ?? []) {
    const exhaustion = exhaustionOf(one)
    if (exhaustion) return exhaustion
  }
  const kind = Object.hasOwn(kinds, code) ? kinds[code] : undefined
  return kind && isOurs(error, code) ? { code, ...kind } : undefined
}

function isOurs(error: Error, code: string): boolean {
  const { syscall, address } = error as NodeJS.ErrnoException & { address?: string }
  // From a Unix socket this code means that the backend does not accept the connections that wait.
  if (code === 'EAGAIN') return syscall === 'connect' && !isOfUnixSocket(error)
  // Without IPv6 on this machine there is no IPv6 address to connect from, however many ports are free.
  if (code === 'EADDRNOTAVAIL') return !(address !== undefined && isIPv6(address)) || hasIpv6()
  return true
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === 'IPv6'),
  )
}

/**
 * Returns the number of files that this process may have open. The number is read from Node's report, because no file
 * can be read without a descriptor.
 */
function descriptorLimit(): string | null {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork: boolean }
  const { excludeNetwork } = report
  try {
    // With network information the report would first look up the names of all peers.
    report.excludeNetwork = true
    const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft: number | string } } }
    const soft = userLimits?.open_files?.soft
    return soft === undefined ? null : String(soft)
  } catch {
    return null
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim().replaceAll(/\s+/g, ' ')
  } catch {
    return null
  }
}
