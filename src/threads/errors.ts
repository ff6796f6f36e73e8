/** The base class of all errors of a channel. `code` is stable; messages are for people. */
export class ChannelError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = new.target.name
    this.code = code
  }
}

/** The channel is closed, by this side or the other one, or the other thread has ended. No answer will come. */
export class ChannelClosedError extends ChannelError {
  constructor(name: string) {
    super('CHANNEL_CLOSED', `"${name}" got no answer: the other thread has closed its channel, or has ended`)
  }
}

/** The other thread did not answer in time. It may still have done, or do, what it was asked for. */
export class AnswerTimeoutError extends ChannelError {
  /** @param timeout milliseconds */
  constructor(name: string, timeout: number) {
    super('CHANNEL_TIMEOUT', `"${name}" got no answer within ${timeout} ms`)
  }
}

/** A message has a name that its receiver does not handle. Both sides are of one version, so this is a fault in the code. */
export class UnknownMessageError extends ChannelError {
  constructor(name: string) {
    super('CHANNEL_UNKNOWN_MESSAGE', `there is no handler for "${name}"`)
  }
}

/** What of an error crosses from one thread to another. */
export interface CarriedError {
  name: string
  message: string
  code: string | undefined
  stack: string | undefined
}

/** The error with which a handler of the other thread answered, with its `name`, `message`, `code` and stack there. */
export class AnswerError extends Error {
  /** The `code` of the error in the other thread; undefined if it had none. */
  readonly code: string | undefined

  constructor({ name, message, code, stack }: CarriedError) {
    super(message)
    this.name = name
    this.code = code
    if (stack !== undefined) this.stack = stack
  }
}

/** Returns what can be carried to another thread of a thrown value. */
export function carried(thrown: unknown): CarriedError {
  if (!(thrown instanceof Error)) {
    return { name: 'Error', message: String(thrown), code: undefined, stack: undefined }
  }
  const { name, message, stack } = thrown
  const { code } = thrown as NodeJS.ErrnoException
  return { name, message, code: typeof code === 'string' ? code : undefined, stack }
}
