import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../balancer/time/clock.js'
import { RecentMap } from '../recent-map.js'
import type { Busy } from '../verdict.js'
import { BoundedWork } from './bounded-work.js'

/**
 * The most passwords that are hashed at a time. Hashing is done in threads of libuv, of which there are four by default,
 * and the others are for files and names of hosts.
 */
const MAX_HASHING = 2
/** The most passwords that wait to be hashed. */
const MAX_WAITING = 64
/** How long a password that was right is not hashed again. */
const REMEMBER_RIGHT_MS = 300_000
/** How long a password that was wrong is not hashed again, for clients that do not stop to send it. */
const REMEMBER_WRONG_MS = 60_000
const MAX_REMEMBERED = 10_000

/** Whether a password has a hash by bcrypt. */
export type Compare = (password: string, hash: string) => Promise<boolean>

/**
 * Checks the passwords of users. Hashes are slow on purpose, so the results are remembered, under a keyed hash with a
 * key that only this object has. Those that were wrong are remembered apart, so that a flood of them displaces none that
 * was right.
 */
export class PasswordChecker {
  /** Hashes by user. */
  readonly #users: ReadonlyMap<string, string>
  /** The hashes again, to be compared for names that are not there. */
  readonly #hashes: readonly string[]
  readonly #compare: Compare
  readonly #clock: Clock
  readonly #key = randomBytes(32)
  readonly #work: BoundedWork
  readonly #right = new RecentMap<true>(MAX_REMEMBERED)
  readonly #wrong = new RecentMap<true>(MAX_REMEMBERED)
  readonly #underWay = new Map<string, Promise<boolean>>()

  /** @param users hashes by user */
  constructor(users: Readonly<Record<string, string>>, compare: Compare, clock: Clock) {
    // The prefix of Apache and PHP, which the library does not know. The hash is the same.
    this.#users = new Map(
      Object.entries(users).map(([user, hash]) => [user, hash.replace(/^\$2y\$/, '$2b$')]),
    )
    this.#hashes = [...this.#users.values()]
    this.#compare = compare
    this.#clock = clock
    this.#work = new BoundedWork(MAX_HASHING, MAX_WAITING, () => clock.now())
  }

  /** Whether the password is the user's. (A user's name has no colon.) */
  check(user: string, password: string): boolean | Busy | Promise<boolean> {
    const id = this.#digest(`${user}:${password}`).toString('base64')
    const now = this.#clock.now()
    if (this.#right.get(id, now)) return true
    if (this.#wrong.get(id, now)) return false
    const underWay = this.#underWay.get(id)
    if (underWay) return underWay
    if (this.#work.isFull) return { kind: 'busy', retryAfter: this.#work.retryAfter }
    const result = this.#hash(id, user, password)
    this.#underWay.set(id, result)
    return result
  }

  async #hash(id: string, user: string, password: string): Promise<boolean> {
    try {
      const hash = this.#users.get(user)
      const isEqual = await this.#work.run(() => this.#compare(password, hash ?? this.#decoyFor(user)))
      const isRight = isEqual && hash !== undefined
      const until = this.#clock.now() + (isRight ? REMEMBER_RIGHT_MS : REMEMBER_WRONG_MS)
      ;(isRight ? this.#right : this.#wrong).set(id, true, until)
      return isRight
    } finally {
      this.#underWay.delete(id)
    }
  }

  /**
   * The hash with which the password of an unknown user is compared, so that it takes the time of a wrong password, also
   * where the hashes of users differ in cost. It is the same one each time for the same name.
   */
  #decoyFor(user: string): string {
    const place = this.#digest(user).readUInt32BE() % this.#hashes.length
    return this.#hashes[place] as string
  }

  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest()
  }
}
