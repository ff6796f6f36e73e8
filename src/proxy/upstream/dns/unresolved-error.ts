/** Codes with which a resolver says that there is no such name, or none with an address. */
const FINAL_CODES = new Set(['ENOTFOUND', 'ENODATA', 'EAI_NODATA', 'EAI_NONAME'])

/**
 * A backend's name has never been resolved, because the look-up failed or took too long. The backend is not to blame.
 */
export class UnresolvedError extends Error {
  /** The error code of the resolver, or `ETIMEOUT`. */
  readonly code: string

  /** @param cause the resolver's error; undefined where it did not answer within `timeoutMs` */
  constructor(name: string, timeoutMs: number, cause?: NodeJS.ErrnoException) {
    super(cause?.message ?? `no address of ${name} within ${timeoutMs / 1000} seconds`, { cause })
    this.code = cause?.code ?? 'ETIMEOUT'
  }

  /** Whether there is no such name, as far as the resolver knows, or none with an address. */
  get isFinal(): boolean {
    return FINAL_CODES.has(this.code)
  }
}
