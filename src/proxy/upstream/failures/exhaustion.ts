import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'

/** What this process, or its machine, can run out of. */
export interface Exhaustion {
  /** The error's code, like `EMFILE`. */
  code: string
  /** What there is no more of, in words that go on after "no". */
  what: string
  /** How the limit is called where it is set. */
  setting: string
  /** The limit that was reached; null where it is not known. */
  limit(): string | null
}

const unknown = () => null

const kinds: Record<string, Omit<Exhaustion, 'code'>> = {
  EMFILE: { what: 'file descriptors left', setting: 'ulimit -n', limit: descriptorLimit },
  ENFILE: {
    what: 'file descriptors left on this machine',
    setting: 'fs.file-max',
    limit: () => read('/proc/sys/fs/file-max'),
  },
  EADDRNOTAVAIL: {
    what: 'local ports left',
    setting: 'net.ipv4.ip_local_port_range',
    limit: () => read('/proc/sys/net/ipv4/ip_local_port_range'),
  },
  EAGAIN: { what: 'room for another connection', setting: 'the system', limit: unknown },
  ENOBUFS: { what: 'buffers for connections left', setting: 'net.ipv4.tcp_mem', limit: unknown },
  ENOMEM: { what: 'memory for connections left', setting: 'net.ipv4.tcp_mem', limit: unknown },
}

/**
 * What of its own the gateway lacks where an error between it and a backend says so; undefined for every other error.
 * The backend is not to blame for it, and with another one it would be the same.
 */
export function exhaustionOf(error: Error): Exhaustion | undefined {
  const { code = '', errors } = error as NodeJS.ErrnoException & { errors?: Error[] }
  // One error for each address of a name.
  for (const one of errors ?? []) {
    const lack = exhaustionOf(one)
    if (lack) return lack
  }
  const kind = Object.hasOwn(kinds, code) ? kinds[code] : undefined
  return kind && isOurs(error, code) ? { code, ...kind } : undefined
}

function isOurs(error: Error, code: string): boolean {
  const { syscall, address } = error as NodeJS.ErrnoException & { address?: string }
  if (code === 'EAGAIN') return syscall === 'connect'
  // A machine without IPv6 has no address to connect from, however many ports are free.
  if (code === 'EADDRNOTAVAIL') return !(address !== undefined && isIPv6(address)) || hasIpv6()
  return true
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === 'IPv6'),
  )
}

/** Of this process, now. There is no descriptor left to read it from a file with, and Node tells it in a report only. */
function descriptorLimit(): string | null {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork: boolean }
  const { excludeNetwork } = report
  try {
    // It would look up the names of all peers, and wait for that.
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
