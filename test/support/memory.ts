import { readFileSync } from 'node:fs'
import type { GatewayProcess } from './process.js'

/** Memory of a process in MB; undefined where this cannot be told. */
export function memoryOf({ child }: GatewayProcess): number | undefined {
  try {
    const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
    return Number(kilobytes) / 1024
  } catch {
    return undefined
  }
}

/** Looks at the memory of a process again and again. Returns a function that ends that and returns the most, in MB. */
export function watchMemory(gateway: GatewayProcess): () => number {
  let most = 0
  const look = () => {
    most = Math.max(most, memoryOf(gateway) ?? 0)
  }
  look()
  const timer = setInterval(look, 50)
  return () => {
    look()
    clearInterval(timer)
    return most
  }
}
