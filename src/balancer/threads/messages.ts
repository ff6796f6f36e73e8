import type { MessagePort } from 'node:worker_threads'
import type { Backend } from '../backends/backend.js'
import { isSameTls } from '../backends/backend-tls.js'
import type { ChangingOptions } from '../changing-options.js'
import type { DecisionFilter, TimedDecision } from '../explain/decision.js'
import type { Explanation, Inquiry } from '../explain/explanation.js'
import type { BlockBuffers } from './row-blocks.js'
import type { TableBuffers } from './table.js'

/** The fields of a backend that all threads have to know, besides its row. */
const knownFields = [
  'id',
  'url',
  'host',
  'hostHeader',
  'addedAt',
  'source',
  'weight',
  'maxConnections',
  'ownLimit',
  'backup',
  'healthPort',
  'healthHost',
  'tls',
  'state',
  'keepsKeys',
  'checked',
  'unproven',
  'ejectedUntil',
  'ejections',
  'lastCheck',
] as const satisfies readonly (keyof Backend)[]

/** Fields by which two descriptions of a backend are compared: results of checks alone are not sent each time. */
const comparedFields = knownFields.filter((field) => field !== 'lastCheck')

/** What a thread has to know of a backend. It can be sent in a message. */
export interface KnownBackend extends Pick<Backend, (typeof knownFields)[number]> {
  row: number
}

/** A change of a pool, as the control plane sends it to the workers. */
export type PoolChange =
  /** A backend was registered, or is different now. */
  | { kind: 'backend'; backend: KnownBackend }
  /** Earlier failures of a backend no longer count. */
  | { kind: 'renewed'; row: number }
  | { kind: 'removed'; row: number }
  /** The requests in flight on a backend are cut. */
  | { kind: 'cut'; row: number; why: string }
  | { kind: 'policy'; name: string }
  /** There is memory for further rows. */
  | { kind: 'rows'; index: number; block: BlockBuffers }
  /** Options have other values. */
  | { kind: 'options'; options: ChangingOptions }

/** Changes that a worker applies together, in their order, and then acknowledges. */
export interface PoolUpdate {
  /** A number that grows with each update. */
  revision: number
  changes: PoolChange[]
}

/** What a worker tells the control plane. All of it is rare: nothing is sent for each request. */
export type WorkerMessage =
  /** The worker has applied all updates up to this revision. */
  | { kind: 'applied'; revision: number }
  /** A backend that drains has no request in flight any more. */
  | { kind: 'idle'; row: number }
  /** A backend failed as often in a row as ejects it, or its probe failed. */
  | { kind: 'failing'; row: number; ejections: number; isEjected: boolean }
  /** The Host field of the last request that a backend answered, or with row 0 that no backend was found for. */
  | { kind: 'host'; row: number; host: string }
  /** An ejected backend answered well. */
  | { kind: 'answered'; row: number; ejections: number; isEjected: boolean }
  /** A request probes an ejected backend. */
  | { kind: 'probing'; row: number }

/** An inquiry as it is sent to a worker: it names backends by their rows. */
export type SentInquiry = Omit<Inquiry, 'except'> & { except: number[] }

/** The messages that a worker takes. */
export interface ToPoolMember {
  /** Changes of the pool. The worker acknowledges their revision. */
  update(update: PoolUpdate): void
  /** Asks for the latest decisions of this worker. */
  decisions(filter: DecisionFilter): TimedDecision[]
  /** Asks what would happen to a request that came to this worker now. */
  explain(inquiry: SentInquiry): Explanation
}

/** The messages that the control plane takes of each worker. */
export interface ToPoolControl {
  news(message: WorkerMessage): void
}

/** What a worker is given to take part in a pool. It can be sent in a message, together with its port. */
export interface PoolHandle {
  /** The number of the worker, from 0 on: its column in the table. */
  worker: number
  table: TableBuffers
  /** The policy and the backends at the time of `revision`. */
  policy: string
  backends: KnownBackend[]
  /** The options that have changed since the pool was made. They count before the worker's own. */
  options: ChangingOptions
  revision: number
  /** Connects the worker with the control plane. */
  port: MessagePort
}

/** Returns what other threads have to know of a backend. */
export function knownOf(backend: Backend): KnownBackend {
  const fields = Object.fromEntries(knownFields.map((field) => [field, backend[field]]))
  return { ...fields, row: backend.row } as KnownBackend
}

/** Takes over the fields that may change. */
export function takeOver(backend: Backend, known: KnownBackend): void {
  const { row, id, url, host, addedAt, ...changing } = known
  // A message has a copy of this object, and connections are made anew for another object.
  if (isSameTls(known.tls, backend.tls)) changing.tls = backend.tls
  Object.assign(backend, changing)
}

/** Returns true if other threads do not know the present state of a backend. */
export function isOutdated(known: KnownBackend, backend: Backend): boolean {
  // Panic looks at whether the last check was answered at all.
  if (known.lastCheck?.answered !== backend.lastCheck?.answered) return true
  return comparedFields.some((field) => known[field] !== backend[field])
}
