import { hash } from 'node:crypto'
import type { ApiKeyConfig } from '../../config/file/gateway-config.js'
import { forwardedValue } from '../forwarded-value.js'
import { isRepeated } from '../repeated-field.js'
import type { Admitted, Authenticator, Credentials, Refused, Verdict } from '../verdict.js'

/**
 * Admits requests that have a key in a field of their own. Only hashes of the keys are known.
 *
 * The hash of the given key is looked up in a map, which takes another time for another hash. That tells a client
 * nothing of a key: it cannot choose the hash of what it gives, so that from a hash it was closer to no other key
 * follows. The comparison takes the same time for each of the keys, and does not grow with their number.
 */
export class ApiKeyAuthenticator implements Authenticator {
  readonly fields: readonly string[]
  readonly #header: string
  /** By the hash of the key in lower case. */
  readonly #admitted: ReadonlyMap<string, Admitted>
  readonly #refused: Refused

  /** @throws {UnsendableValue} for a name of a key that cannot be forwarded */
  constructor({ header, keys, forward }: ApiKeyConfig) {
    this.#header = header
    this.fields = forward === '' ? [] : [forward]
    this.#admitted = new Map(
      Object.entries(keys).map(([name, digest]) => [
        digest.toLowerCase(),
        { kind: 'admitted', values: forward === '' ? [] : [forwardedValue(name)] },
      ]),
    )
    this.#refused = {
      kind: 'refused',
      message: `this needs a key in the header "${header}"`,
      // No scheme is registered for keys in fields of their own, and a 401 must have a challenge.
      challenge: `ApiKey header="${header}"`,
    }
  }

  authenticate({ headers, rawHeaders }: Credentials): Verdict {
    const key = headers[this.#header]
    if (typeof key !== 'string' || isRepeated(rawHeaders, this.#header)) return this.#refused
    // Node reads each byte of a field as one character.
    return this.#admitted.get(hash('sha256', Buffer.from(key, 'latin1'), 'hex')) ?? this.#refused
  }
}
