/**
 * How the backend's part in a request ended. `failed`: a gateway failure, the backend's own doing (a status
 * that counts as one, refused, reset, silent). `cancelled`: somebody else ended it, the backend is not to blame.
 * `doubtful`: the backend broke it off, and the client may have given it a reason to.
 */
export type Outcome = 'ok' | 'failed' | 'cancelled' | 'doubtful'

/** Why a backend did not answer a request, or not to the end. */
export interface Cause {
  /** Code of the error, like `ECONNRESET`. */
  code: string
  /** The message of the error, in one line. */
  text: string
}

/**
 * What a backend answered. `failed`: a gateway failure. `refused`: it says that it will not, or cannot, do what the
 * request asks for, as a status from 400 on does, and may have every reason to.
 */
export type AnswerKind = 'ok' | 'refused' | 'failed'
