/**
 * The end of a request, as far as its backend is concerned. `failed`: a gateway failure that the backend caused (a
 * status that counts as a failure, a refused or reset connection, no answer in time). `cancelled`: somebody else ended
 * the request, and the backend is not to blame. `doubtful`: the backend broke the request off, and the client may have
 * given it a reason to.
 */
export type Outcome = 'ok' | 'failed' | 'cancelled' | 'doubtful'

/** The reason for which a backend did not answer a request, or not completely. */
export interface Cause {
  /** Code of the error, like `ECONNRESET`. */
  code: string
  /** The message of the error, in one line. */
  text: string
}

/**
 * The kind of a backend's answer. `failed`: a gateway failure. `refused`: a status from 400 on that is no gateway
 * failure, with which the backend says that it will not or cannot do what was asked, perhaps for good reason.
 */
export type AnswerKind = 'ok' | 'refused' | 'failed'
