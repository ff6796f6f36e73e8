/** What became of the credentials of a request. */
export type Verdict = Admitted | Refused | Unavailable | Busy

export interface Admitted {
  kind: 'admitted'
  /** Values of request fields, in the order of {@link Authenticator.fields}; undefined for a field that is left out. */
  values: readonly (string | undefined)[]
}

export interface Refused {
  kind: 'refused'
  /** What the client is told. It says nothing of the credentials. */
  message: string
  /** The value of WWW-Authenticate. */
  challenge: string
}

/** There are no keys with which a token could be verified. */
export interface Unavailable {
  kind: 'unavailable'
  /** Seconds after which the client may try again. */
  retryAfter: number
}

/** Too many passwords are being checked. */
export interface Busy {
  kind: 'busy'
  /** Seconds after which the client may try again. */
  retryAfter: number
}

/** The request fields that have credentials. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Names and values by turns, as they came. */
  readonly rawHeaders: readonly string[]
}

/** Checks the credentials of requests. */
export interface Authenticator {
  /** Names of request fields in lower case that only the gateway may set. */
  readonly fields: readonly string[]
  authenticate(request: Credentials): Verdict | Promise<Verdict>
}
