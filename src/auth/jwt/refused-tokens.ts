import { errors } from 'jose'
import { UnsendableValue } from '../forwarded-value.js'
import type { Refused } from '../verdict.js'

/** There are no credentials of this kind, so the challenge has no error code, RFC 6750 section 3.1. */
export const MISSING_TOKEN: Refused = {
  kind: 'refused',
  message: 'this needs a token in the header "Authorization: Bearer <token>"',
  challenge: 'Bearer',
}

export const MALFORMED_TOKEN = invalid('the token is not valid')
/** A client is told no more of a key that is not known. */
export const BAD_SIGNATURE = MALFORMED_TOKEN
const EXPIRED = invalid('the token has expired')
const UNSENDABLE = invalid('a claim of the token cannot be forwarded')

/** What is said of a claim that is missing, or not as configured, by claim. Such a token has a good signature. */
const CLAIMS: Readonly<Record<string, Refused>> = {
  aud: invalid('the token is for another audience'),
  exp: invalid('the token does not say when it expires'),
  iss: invalid('the token is of another issuer'),
  nbf: invalid('the token is not valid yet'),
}

/** How a token is refused that could not be verified. @param error of jose, or of a claim that is to be forwarded */
export function refusedToken(error: unknown): Refused {
  if (error instanceof errors.JWTExpired) return EXPIRED
  if (error instanceof errors.JWTClaimValidationFailed) return CLAIMS[error.claim] ?? MALFORMED_TOKEN
  if (error instanceof UnsendableValue) return UNSENDABLE
  return MALFORMED_TOKEN
}

/** A token that is refused: an audience that is not this route's makes it invalid, and not too weak (403). */
function invalid(message: string): Refused {
  return {
    kind: 'refused',
    message,
    challenge: `Bearer error="invalid_token", error_description="${message}"`,
  }
}
