/** The public part of a key for signatures, in the form of a JSON Web Key, RFC 7517. */
export interface PublicJwk {
  kty: string
  kid?: string
  alg?: string
  crv?: string
  n?: string
  e?: string
  x?: string
  y?: string
}

/** The keys that a URL has. It is plain data, so that it can be sent to another thread. */
export interface KeySet {
  /** Grows with each change of the keys of this URL. */
  readonly revision: number
  /** At least one. */
  readonly keys: readonly PublicJwk[]
}

/** Says that there are no keys now. */
export interface NoKeys {
  /** Seconds after which there may be keys. */
  readonly retryAfter: number
}

/** Where the keys of an issuer come from. */
export interface KeySetSource {
  /** The keys that are there now. It is asked for each request, and gives the same object until the keys change. */
  current(url: string): KeySet | undefined
  /** The keys, once the first fetch is over. */
  get(url: string): Promise<KeySet | NoKeys>
  /**
   * The keys after a token named one that is not in those of `revision`. They are fetched again where that was not done
   * just before; otherwise, and where the fetch fails, these are the keys that are there.
   */
  refresh(url: string, revision: number): Promise<KeySet | NoKeys>
}
