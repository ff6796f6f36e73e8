import bcrypt from 'bcrypt'
import type { Clock } from '../../balancer/time/clock.js'
import type { BasicConfig } from '../../config/file/gateway-config.js'
import { forwardedValue } from '../forwarded-value.js'
import type { Busy, Refused, Verdict } from '../verdict.js'
import { PasswordChecker } from './password-checker.js'

/** Admits users with their passwords, which come decoded. */
export class BasicAuthenticator {
  readonly fields: readonly string[]
  readonly refused: Refused
  readonly #passwords: PasswordChecker

  /** @throws {Error} where there are no users */
  constructor({ users, realm, forward }: BasicConfig, clock: Clock) {
    if (Object.keys(users).length === 0) throw new Error('there are no users')
    this.#passwords = new PasswordChecker(users, bcrypt.compare, clock)
    this.fields = forward === '' ? [] : [forward]
    // A quoted string, RFC 9110 section 5.6.4.
    const quoted = realm.replace(/["\\]/g, '\\$&')
    this.refused = {
      kind: 'refused',
      message: 'this needs a user and a password',
      challenge: `Basic realm="${quoted}", charset="UTF-8"`,
    }
  }

  check(user: string, password: string): Verdict | Promise<Verdict> {
    const result = this.#passwords.check(user, password)
    return result instanceof Promise
      ? result.then((isRight) => this.#verdict(user, isRight))
      : this.#verdict(user, result)
  }

  #verdict(user: string, result: boolean | Busy): Verdict {
    if (typeof result === 'object') return result
    return result
      ? { kind: 'admitted', values: this.fields.length > 0 ? [forwardedValue(user)] : [] }
      : this.refused
  }
}
