import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { caddy } from './caddy.js'
import { haproxy } from './haproxy.js'
import { nginx } from './nginx.js'
import type { Peer, PeerKind } from './peer.js'
import { run } from './run.js'

const kinds: PeerKind[] = [nginx, haproxy, caddy]

/** Other balancers to be measured beside: those that are installed, and the names of those that are not. */
export async function findPeers(): Promise<{ found: Peer[]; missing: string[] }> {
  const found: Peer[] = []
  const missing: string[] = []
  for (const kind of kinds) {
    const binary = await locate(kind.binary)
    if (!binary) {
      missing.push(kind.name)
      continue
    }
    const version = await versionOf(binary, kind.versionArguments)
    found.push({ name: kind.name, version, start: (setup) => run(kind, binary, setup) })
  }
  return { found, missing }
}

/** Daemons are often where only root looks. */
async function locate(name: string): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  for (const folder of folders.filter(Boolean)) {
    const path = join(folder, name)
    const runs = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runs) return path
  }
  return undefined
}

async function versionOf(binary: string, versionArguments: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(binary, versionArguments)
  return /\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0] ?? 'unknown'
}
