import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { Clock } from '../../balancer/time/clock.js'
import type { JwtConfig } from '../../config/file/gateway-config.js'
import { forwardedValue } from '../forwarded-value.js'
import type { VerificationKey } from './key-ring.js'

/** What a token has said that was verified. */
export interface VerifiedToken {
  /** Values for the fields of {@link JwtConfig.forward}, in its order. */
  values: readonly (string | undefined)[]
  /** Wall-clock time in milliseconds from which on the token is not valid any more. */
  expiresAt: number
}

/** Claims that a token must have. One that never expires could not be taken back. */
const REQUIRED_CLAIMS: string[] = ['exp']

/** Verifies signature and claims of tokens. */
export class TokenVerifier {
  readonly #clock: Clock
  readonly #expected: JWTVerifyOptions
  readonly #claims: readonly string[]
  readonly #toleranceS: number

  constructor(config: JwtConfig, clock: Clock) {
    this.#clock = clock
    this.#claims = Object.keys(config.forward)
    this.#toleranceS = config.clockTolerance / 1000
    this.#expected = {
      algorithms: [...config.algorithms],
      clockTolerance: this.#toleranceS,
      requiredClaims: REQUIRED_CLAIMS,
    }
    // Without any a token of whoever has the key is taken.
    if (config.issuer.length > 0) this.#expected.issuer = [...config.issuer]
    if (config.audience.length > 0) this.#expected.audience = [...config.audience]
  }

  /**
   * @param keys of which any may have signed the token
   * @returns undefined where none of the keys has signed it
   * @throws {errors.JOSEError} for a token that is malformed, or whose claims are not as configured
   * @throws {UnsendableValue} for a claim that cannot be forwarded
   */
  async verify(token: string, keys: readonly VerificationKey[]): Promise<VerifiedToken | undefined> {
    for (const { key } of keys) {
      const claims = await this.#claimsOf(token, key)
      if (claims) return this.#verified(claims)
    }
    return undefined
  }

  async #claimsOf(token: string, key: VerificationKey['key']): Promise<JWTPayload | undefined> {
    try {
      const { payload } = await jwtVerify(token, key, { ...this.#expected, currentDate: this.#clock.date() })
      return payload
    } catch (error) {
      if (error instanceof errors.JWSSignatureVerificationFailed) return undefined
      throw error
    }
  }

  #verified(claims: JWTPayload): VerifiedToken {
    const values = this.#claims.map((claim) =>
      // A claim may have the name of a property that every object has.
      forwardedValue(Object.hasOwn(claims, claim) ? claims[claim] : undefined),
    )
    return { values, expiresAt: ((claims.exp as number) + this.#toleranceS) * 1000 }
  }
}
