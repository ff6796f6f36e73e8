import dns, { type LookupAddress } from 'node:dns'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { LookUp } from './lookup-queue.js'

/** Milliseconds that each of the two tries with a name server may take. */
const SERVER_TIMEOUT_MS = 2000

/**
 * Looks up a name in /etc/hosts and with the name servers, without the system's resolver. The system's resolver blocks
 * a thread for each name, and Node lets it have only two threads, so that names whose servers are silent block all
 * other names.
 */
export const directLookUp: LookUp = (name, done) => {
  addressesOf(name.toLowerCase()).then(
    (addresses) => done(null, addresses),
    (error: NodeJS.ErrnoException) => done(error, []),
  )
}

async function addressesOf(name: string): Promise<LookupAddress[]> {
  const listed = listedIn(await textOf('/etc/hosts'), name)
  if (listed.length > 0) return listed
  for (const candidate of candidatesFor(name, await textOf('/etc/resolv.conf'))) {
    const found = await ask(candidate)
    if (found.length > 0) return found
  }
  return []
}

/** Returns the addresses of a name in the text of a hosts file. */
export function listedIn(hosts: string, name: string): LookupAddress[] {
  return hosts.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/)
    const family = isIP(address)
    return family !== 0 && names.includes(name) ? [{ address, family }] : []
  })
}

/**
 * Returns the names that are asked for one after the other. A short name is first completed with the search domains
 * (resolv.conf(5)).
 */
export function candidatesFor(name: string, resolvConf: string): string[] {
  if (name.endsWith('.')) return [name]
  let domains: string[] = []
  let enoughDots = 1
  for (const line of resolvConf.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/)
    // If there are several `search` or `domain` lines, the last one counts.
    if (word === 'search' || word === 'domain') domains = rest
    const dots = word === 'options' ? /(?:^| )ndots:(\d+)/.exec(rest.join(' '))?.[1] : undefined
    if (dots !== undefined) enoughDots = Number(dots)
  }
  const completed = domains.map((domain) => `${name}.${domain}`)
  return name.split('.').length - 1 >= enoughDots ? [name, ...completed] : [...completed, name]
}

async function ask(name: string): Promise<LookupAddress[]> {
  // A new resolver reads the addresses of the name servers anew.
  const resolver = new dns.promises.Resolver({ timeout: SERVER_TIMEOUT_MS, tries: 2 })
  const [four, six] = await Promise.all([
    resolver.resolve4(name).catch(() => []),
    resolver.resolve6(name).catch(() => []),
  ])
  return [
    ...four.map((address) => ({ address, family: 4 })),
    ...six.map((address) => ({ address, family: 6 })),
  ]
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
