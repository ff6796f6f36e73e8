/** Codes with which a resolver says that there is no such name, or none with an address. */
const FINAL_CODES = new Set(['ENOTFOUND', 'ENODATA', 'EAI_NODATA', 'EAI_NONAME'])

/** A backend's name has never been resolved so far, and could not be, or not in time. The backend is not to blame. */
export class UnresolvedError extends Error {
  /** Of the resolver, or `ETIMEOUT`. */
  readonly code: string

  /** @param cause what the resolver said; undefined where it said nothing within `timeoutMs` */
  constructor(name: string, timeoutMs: number, cause?: NodeJS.ErrnoException) {
    super(cause?.message ?? `no address of ${name} within ${timeoutMs / 1000} seconds`, { cause })
    this.code = cause?.code ?? 'ETIMEOUT'
  }

  /** Whether there is no such name, as far as the resolver knows, or none with an address. */
  get isFinal(): boolean {
    return FINAL_CODES.has(this.code)
  }
}
