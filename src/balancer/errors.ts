/** The base class of all errors of the core. `code` is stable and starts with `LEASTWISE_`; messages are for people. */
export class BalancerError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'BalancerError'
    this.code = code
  }
}

/** The id or the URL of a backend is registered already. */
export class BackendExistsError extends BalancerError {
  constructor(what: string) {
    super('LEASTWISE_BACKEND_EXISTS', `a backend with ${what} is registered already`)
  }
}

export class BackendNotFoundError extends BalancerError {
  constructor(id: string) {
    super('LEASTWISE_BACKEND_NOT_FOUND', `there is no backend with id "${id}"`)
  }
}

/** A field of a backend's description is not valid; `field` names it. */
export class InvalidBackendError extends BalancerError {
  readonly field: string

  constructor(field: string, message: string) {
    super('LEASTWISE_INVALID_BACKEND', `${field} ${message}`)
    this.field = field
  }
}

/** An option of a pool is not valid. */
export class InvalidOptionError extends BalancerError {
  constructor(name: string, message: string) {
    super('LEASTWISE_INVALID_OPTION', `option "${name}" ${message}`)
  }
}

export class UnknownPolicyError extends BalancerError {
  constructor(name: string, known: readonly string[]) {
    super('LEASTWISE_UNKNOWN_POLICY', `there is no policy "${name}"; known are ${known.join(', ')}`)
  }
}

/** No backend is registered, active and usable. */
export class NoBackendError extends BalancerError {
  constructor() {
    super('LEASTWISE_NO_BACKEND', 'no usable backend')
  }
}

/** There are usable backends, and each has as many requests in flight as its `maxConnections` allows. */
export class AllFullError extends BalancerError {
  constructor() {
    super('LEASTWISE_ALL_FULL', 'every backend is at its maxConnections')
  }
}

/** Every backend is at its limit, and the queue is full. */
export class QueueFullError extends BalancerError {
  /** Seconds after which the request is worth another try. */
  readonly retryAfter: number

  constructor(limit: number, retryAfter: number) {
    super('LEASTWISE_QUEUE_FULL', `every backend is at its maxConnections, and ${limit} requests wait`)
    this.retryAfter = retryAfter
  }
}

/** Every backend was at its limit for the longest time that a request may wait. */
export class QueueTimeoutError extends BalancerError {
  /** Seconds after which the request is worth another try. */
  readonly retryAfter: number

  constructor(timeout: number, retryAfter: number) {
    super('LEASTWISE_QUEUE_TIMEOUT', `no backend was below its maxConnections for ${timeout} ms`)
    this.retryAfter = retryAfter
  }
}

/** The backends and the policy of this pool are changed in the thread that controls it, and not in a worker. */
export class ControlledElsewhereError extends BalancerError {
  constructor() {
    super(
      'LEASTWISE_CONTROLLED_ELSEWHERE',
      'this pool is changed in the thread that controls it, not in a worker',
    )
  }
}

/** The pool was stopped and serves no more requests. */
export class StoppedError extends BalancerError {
  constructor(why: string) {
    super('LEASTWISE_STOPPED', why)
  }
}

/**
 * A store cannot be read or written at the start, or its content is not valid. The message names the store and the
 * reason.
 */
export class StoreError extends BalancerError {
  constructor(store: string, done: 'used' | 'written', why: string) {
    super('LEASTWISE_STORE', `${store} cannot be ${done}: ${why}`)
  }
}

/** A store holds another revision than the pool knows, because another writer changed it. Nothing was overwritten. */
export class StoreConflictError extends BalancerError {
  constructor(store: string) {
    super('LEASTWISE_STORE_CONFLICT', `${store} was written by somebody else`)
  }
}

/** A store did not answer in time: it may have carried out what was asked, or not. */
export class StoreOutcomeError extends BalancerError {
  /** The revision that the store has if it did, unless somebody has changed it since. */
  readonly revision: string | number

  constructor(store: string, revision: string | number, why: string) {
    super('LEASTWISE_STORE_OUTCOME', `${store} may have been written: ${why}`)
    this.revision = revision
  }
}

/** What a change that could not be stored has changed. */
type UnsavedEffect = 'in force' | 'nothing' | 'unknown'

const effects: Record<UnsavedEffect, string> = {
  'in force': 'the change is in force, and not stored',
  nothing: 'nothing was changed',
  unknown: 'it is not known whether the change was made, and what the store has counts once it answers',
}

/** A change could not be stored; `cause` is the store's error. */
export class StateNotSavedError extends BalancerError {
  /** `in force`: only here. `nothing`: neither here nor elsewhere. `unknown`: the store did not say. */
  readonly effect: UnsavedEffect

  constructor(store: string, cause: Error, effect: UnsavedEffect = 'in force') {
    super('LEASTWISE_STATE_NOT_SAVED', `${effects[effect]}: ${store} cannot be written: ${cause.message}`)
    this.cause = cause
    this.effect = effect
  }
}

/** A lease was cut because its backend was removed, or did not finish draining in time. */
export class BackendGoneError extends BalancerError {
  constructor(id: string, why: string) {
    super('LEASTWISE_BACKEND_GONE', `backend "${id}" ${why}`)
  }
}

/** A lease was cut because nobody waits for the answer any more. */
export class ClientGoneError extends BalancerError {
  constructor() {
    super('LEASTWISE_CLIENT_GONE', 'the client left')
  }
}
