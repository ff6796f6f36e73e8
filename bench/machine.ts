import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'

const require = createRequire(import.meta.url)

/** What a figure was measured on, in a few lines. */
export function machine(): string {
  const [cpu] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  const libraries = ['fastify', '@fastify/reply-from', '@fastify/http-proxy', 'undici']
  return `${type()} ${release()}, ${availableParallelism()} processors${cpu ? ` (${cpu.model.trim()})` : ''}, ${memory} GiB
Node ${process.version}, ${libraries.map((name) => `${name} ${versionOf(name)}`).join(', ')}`
}

/** Not every package lets its package.json be asked for by name. */
function versionOf(name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')).version
    } catch {
      // It is in a folder further up.
    }
  }
  return 'unknown'
}
