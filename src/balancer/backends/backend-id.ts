import type { Origin } from './origin.js'
import { socketPathOf } from './unix-url.js'

/**
 * Largest number of characters of the part of an id that is made from an address; it leaves room for a number behind
 * it.
 */
const MAX_STEM_LENGTH = 56

/**
 * Makes an id from the address of a backend, like `10.0.0.1-8080`, or `run-app.sock` for a Unix socket, and appends a
 * number where that id is taken.
 */
export function idFromOrigin(origin: Origin, isTaken: (id: string) => boolean): string {
  const path = socketPathOf(origin.origin)
  const stem = path === undefined ? stemOf(addressOf(origin)) : stemOfPath(path)
  let id = stem
  for (let n = 2; isTaken(id); n++) id = `${stem}-${n}`
  return id
}

function addressOf({ hostname, port, protocol }: Origin): string {
  return `${hostname}-${port || (protocol === 'https:' ? '443' : '80')}`
}

function stemOf(address: string): string {
  return plain(address).replace(/^-/, '').slice(0, MAX_STEM_LENGTH)
}

/** Keeps the end of a long path, because the beginning is often the same for all sockets of a machine. */
function stemOfPath(path: string): string {
  const stem = plain(path).slice(-MAX_STEM_LENGTH).replace(/^-/, '')
  return /[A-Za-z0-9]/.test(stem) ? stem : 'unix'
}

function plain(text: string): string {
  return text.replace(/[^A-Za-z0-9.]+/g, '-')
}
