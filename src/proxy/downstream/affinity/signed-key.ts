import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { RecentValues } from './recent-values.js'

/** The key of a client, as its cookie has it. */
export interface ClientKey {
  /** Random text, which says nothing. */
  readonly key: string
  /** The code of the backend where the key began; see `homeCodeOf`. */
  readonly home: number
  /** A number that follows from the name of the pool where the key began. */
  readonly pool: number
}

// A value has these parts in turn, together in base64url. Their length is a multiple of 3 bytes, so that no other text
// means the same bytes.
const KEY_BYTES = 12
/** The code of the home, and after it the number of the pool, both hidden. */
const HOME_BYTES = 6
const POOL_BYTES = 2
const SIGNATURE_BYTES = 13
const HIDDEN_END = KEY_BYTES + HOME_BYTES + POOL_BYTES
const VALUE_BYTES = HIDDEN_END + SIGNATURE_BYTES
const VALUE = new RegExp(`^[\\w-]{${(VALUE_BYTES / 3) * 4}}$`)
/** Number of characters of the key in a value. */
const KEY_LENGTH = (KEY_BYTES / 3) * 4
/** Number of values of which it is known what they mean, so that not each request of a client has to be verified. */
const RECENT_COUNT = 4096

/**
 * Writes and reads the keys of clients. A value is signed with HMAC-SHA256, of which 104 bits are kept, so that clients
 * cannot make up keys; and the backend is hidden by a mask that is made of the key and the secret.
 */
export class SignedKeys {
  readonly #secret: Buffer
  readonly #recent = new RecentValues<ClientKey>(RECENT_COUNT)

  constructor(secret: Buffer) {
    this.#secret = secret
  }

  /**
   * Returns a value for a client.
   * @param key of a client that has one; a new one by default
   */
  write(home: number, pool: number, key?: string): string {
    const bytes = Buffer.allocUnsafe(VALUE_BYTES)
    const random = key === undefined ? randomBytes(KEY_BYTES) : Buffer.from(key, 'base64url')
    random.copy(bytes)
    bytes.writeUIntBE(home, KEY_BYTES, HOME_BYTES)
    bytes.writeUIntBE(pool, KEY_BYTES + HOME_BYTES, POOL_BYTES)
    this.#mask(bytes)
    this.#signatureOf(bytes).copy(bytes, HIDDEN_END, 0, SIGNATURE_BYTES)
    return bytes.toString('base64url')
  }

  /** Returns the key that a value means; undefined for one that was not written with this secret. */
  read(value: string): ClientKey | undefined {
    const known = this.#recent.get(value)
    if (known || !VALUE.test(value)) return known
    const bytes = Buffer.from(value, 'base64url')
    const signature = this.#signatureOf(bytes).subarray(0, SIGNATURE_BYTES)
    if (!timingSafeEqual(bytes.subarray(HIDDEN_END), signature)) return undefined
    this.#mask(bytes)
    const found = {
      key: value.slice(0, KEY_LENGTH),
      home: bytes.readUIntBE(KEY_BYTES, HOME_BYTES),
      pool: bytes.readUIntBE(KEY_BYTES + HOME_BYTES, POOL_BYTES),
    }
    this.#recent.set(value, found)
    return found
  }

  /** Hides what says where a key belongs, or shows it again. */
  #mask(bytes: Buffer): void {
    const mask = this.#digestOf('mask', bytes.subarray(0, KEY_BYTES))
    for (let i = KEY_BYTES; i < HIDDEN_END; i++)
      bytes[i] = (bytes[i] as number) ^ (mask[i - KEY_BYTES] as number)
  }

  #signatureOf(bytes: Buffer): Buffer {
    return this.#digestOf('sign', bytes.subarray(0, HIDDEN_END))
  }

  #digestOf(purpose: string, bytes: Buffer): Buffer {
    return createHmac('sha256', this.#secret).update(purpose).update(bytes).digest()
  }
}
