/** Codes with which a resolver reports that a name does not exist, or that it has no address. */
const FINAL_CODES = new Set(['ENOTFOUND', 'ENODATA', 'EAI_NODATA', 'EAI_NONAME'])

/**
 * The error for a backend's name that has never been resolved, because the look-up failed or took too long. The backend
 * is not to blame.
 */
export class UnresolvedError extends Error {
  /** The error code of the resolver, or `ETIMEOUT` if the resolver did not answer in time. */
  readonly code: string

  /**
   * Makes the error.
   * @param cause the resolver's error; undefined if there was no answer within `timeoutMs` milliseconds
   */
  constructor(name: string, timeoutMs: number, cause?: NodeJS.ErrnoException) {
    super(cause?.message ?? `no address of ${name} within ${timeoutMs / 1000} seconds`, { cause })
    this.code = cause?.code ?? 'ETIMEOUT'
  }

  /** True if, as far as the resolver knows, the name does not exist or has no address. */
  get isFinal(): boolean {
    return FINAL_CODES.has(this.code)
  }
}
