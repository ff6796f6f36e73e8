import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { spawn } from './children.js'
import { gather, root } from './process.js'

/** What running a piece of shell came to. */
export interface Ran {
  code: number | null
  output: string
  /** Statuses that its calls of curl were answered with, in order; 0 where there was no answer. */
  statuses: number[]
}

/** Milliseconds after which a piece of shell has hung; on a busy machine one takes 20 s. */
const HANG_MS = 120_000

/** Puts a `leastwise` as the package would install it, and a `curl` that tells statuses, first in the path. */
export function shellIn(folder: string): (script: string, env: Record<string, string>) => Promise<Ran> {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  const command = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const path = process.env.PATH ?? ''
  const { bin: commands } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  command('leastwise', `exec '${process.execPath}' '${join(root, commands.leastwise)}' "$@"`)
  command('npx', 'exec "$@"')
  command('curl', `PATH='${path}' exec curl -sS -w '%{stderr}answered %{http_code}\\n' "$@"`)
  return async (script, env) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: folder,
      env: { PATH: bin + delimiter + path, HOME: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    // With all that it started, or their ends of the pipes would be waited for.
    const deadline = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), HANG_MS)
    const { code, stdout, stderr } = await gather(child)
    clearTimeout(deadline)
    const statuses = [...stderr.matchAll(/^answered (\d+)$/gm)].map(([, status]) => Number(status))
    return { code, output: stdout + stderr, statuses }
  }
}
