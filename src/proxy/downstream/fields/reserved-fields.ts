import type { IncomingMessage } from 'node:http'
import { removeFields } from './strip-request-fields.js'
import { markTrusted } from './untrusted-fields.js'

const reserved = new WeakMap<IncomingMessage, ReservedFields>()

/** The fields that the client of a request cannot send as trailers; undefined where there are none. */
export function reservedFieldsOf(raw: IncomingMessage): ReservedFields | undefined {
  return reserved.get(raw)
}

/**
 * Request fields that a client cannot set, because the gateway sets them itself. A backend may read a field with an
 * underscore in place of a hyphen as the same one, so such a field is removed with it.
 */
export class ReservedFields {
  readonly #names: readonly string[]
  readonly #hyphenated: ReadonlySet<string>

  /** @param names in lower case */
  constructor(names: readonly string[]) {
    this.#names = names
    this.#hyphenated = new Set(names.map(hyphenated))
  }

  /** Removes what the client has sent of these fields, and keeps it from sending them as trailers. */
  reserve(raw: IncomingMessage): void {
    if (this.#names.length === 0) return
    this.remove(raw)
    // Only such requests can have trailers.
    if (raw.headers['transfer-encoding'] !== undefined || raw.httpVersionMajor === 2) reserved.set(raw, this)
  }

  /** Removes what the client has sent of these fields. */
  remove(raw: IncomingMessage): void {
    if (this.#names.length === 0) return
    let found: Set<string> | undefined
    for (const name in raw.headers) if (this.has(name)) found = (found ?? new Set()).add(name)
    if (found) removeFields(raw, found)
  }

  /** Whether a backend may read a field as one of these. @param name in lower case */
  has(name: string): boolean {
    return this.#hyphenated.has(name.includes('_') ? hyphenated(name) : name)
  }

  /** Sets the fields, in the order of their names; undefined leaves one out. */
  set(raw: IncomingMessage, values: readonly (string | undefined)[]): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === undefined) continue
      const name = this.#names[i] as string
      raw.headers[name] = value
      markTrusted(raw.headers, name)
    }
  }
}

function hyphenated(name: string): string {
  return name.replaceAll('_', '-')
}
