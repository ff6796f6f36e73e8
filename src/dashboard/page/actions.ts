import type { BackendView } from '../../balancer/index.js'
import { call, poolPath } from './api.js'
import { isLastUsable } from './backend-store.js'
import { ask, type Field } from './dialog.js'
import { byId } from './element.js'
import { count } from './format.js'

/** This file has the actions of an operator. Each action opens a dialog that asks for confirmation. */

/** The policies of the gateway that served the page, as `<option>` elements with the meaning of each policy. */
const policies = [...byId<HTMLDataListElement>('policies').options]

const limits: [weight: Field, limit: Field] = [
  { kind: 'number', name: 'weight', label: 'Weight', min: 1, max: 1000, required: true },
  {
    kind: 'number',
    name: 'maxConnections',
    label: 'Limit of requests in flight',
    hint: 'Empty or 0 for no limit.',
    min: 0,
    max: 1_000_000,
  },
]

const timeout: Field = {
  kind: 'number',
  name: 'timeout',
  label: 'Timeout (ms)',
  hint: 'Requests that are still in flight after it are cut. Empty for DRAIN_TIMEOUT of the gateway.',
  min: 0,
  max: 999_999_999,
}

const path = ({ id }: BackendView) => poolPath(`backends/${encodeURIComponent(id)}`)

function inFlightOf({ inFlight }: BackendView): string {
  if (inFlight === 0) return 'It has no request in flight.'
  return inFlight === 1 ? 'It has 1 request in flight.' : `It has ${count(inFlight)} requests in flight.`
}

/**
 * Returns the additional field with which the user confirms an action on the last usable backend, so that one
 * accidental click is not enough.
 */
function lastUsable({ id }: BackendView): { warning?: string; fields: Field[] } {
  if (!isLastUsable(id)) return { fields: [] }
  return {
    warning: `${id} is the last usable backend. Without it clients are answered 503.`,
    fields: [{ kind: 'text', name: 'confirmed', label: `Type ${id} to go on`, required: true }],
  }
}

/**
 * Checks the confirmation for the last usable backend. It does so again when the user confirms, because the other
 * backends may have become unusable while the dialog was open.
 * @throws {Error} that says what is missing
 */
function confirmLast({ id }: BackendView, typed: string | undefined, again: () => void): void {
  if (!isLastUsable(id) || typed === id) return
  if (typed !== undefined) throw new Error(`That is not ${id}.`)
  again()
  throw new Error('It became the last usable backend while you were asked.')
}

export function drain(backend: BackendView): void {
  const { warning, fields } = lastUsable(backend)
  ask({
    title: `Drain ${backend.id}?`,
    text: `It gets no new request; those in flight finish. ${inFlightOf(backend)}`,
    warning,
    fields: [...fields, timeout],
    action: 'Drain',
    danger: warning !== undefined,
    async act(values, signal) {
      confirmLast(backend, values.confirmed, () => drain(backend))
      await call('POST', `${path(backend)}/drain`, {
        body: values.timeout ? { timeout: Number(values.timeout) } : {},
        signal,
      })
    },
  })
}

export function activate(backend: BackendView): void {
  const text =
    backend.state === 'draining'
      ? 'It gets requests again. A pending removal is taken back.'
      : 'Its ejection ends, and it gets requests again.'
  ask({
    title: `Activate ${backend.id}?`,
    text,
    action: 'Activate',
    async act(_values, signal) {
      await call('POST', `${path(backend)}/activate`, { body: {}, signal })
    },
  })
}

export function remove(backend: BackendView): void {
  const { warning, fields } = lastUsable(backend)
  ask({
    title: `Remove ${backend.id}?`,
    text: `${inFlightOf(backend)} Its counts are forgotten.`,
    warning,
    fields: [
      ...fields,
      {
        kind: 'choice',
        name: 'how',
        label: 'Requests in flight',
        value: 'drain',
        options: [
          ['drain', 'Let them finish', 'It drains first and is gone with its last request.'],
          ['force', 'Cut them now', 'Their clients get an error.'],
        ],
      },
    ],
    action: 'Remove',
    danger: true,
    async act({ how, confirmed }, signal) {
      confirmLast(backend, confirmed, () => remove(backend))
      await call('DELETE', how === 'force' ? `${path(backend)}?force=true` : path(backend), { signal })
    },
  })
}

export function edit(backend: BackendView): void {
  const [weight, limit] = limits
  const maxConnections = backend.maxConnections ?? 0
  ask({
    title: `Change ${backend.id}`,
    text: 'Counts and requests in flight stay as they are.',
    fields: [
      { ...weight, value: String(backend.weight) },
      { ...limit, value: backend.maxConnections === null ? '' : String(backend.maxConnections) },
    ],
    action: 'Change',
    async act(values, signal) {
      const wanted = { weight: Number(values.weight), maxConnections: Number(values.maxConnections) }
      // Fields that the user did not edit are left out of the request, because their values may be defaults of the
      // pool, or another operator may have changed them meanwhile.
      const body = {
        ...(wanted.weight !== backend.weight && { weight: wanted.weight }),
        ...(wanted.maxConnections !== maxConnections && { maxConnections: wanted.maxConnections }),
      }
      await call('PATCH', path(backend), { body, signal })
    },
  })
}

export function register(): void {
  const [weight, limit] = limits
  ask({
    title: 'Register a backend',
    text: 'It gets requests at once, in slow start (SLOW_START) fewer at first.',
    fields: [
      { kind: 'text', name: 'url', label: 'URL', hint: 'http or https, host and port.', required: true },
      { kind: 'text', name: 'id', label: 'Id', hint: 'Empty to make one from the URL.' },
      { ...weight, value: '1' },
      { ...limit, hint: 'Empty for MAX_CONNECTIONS, 0 for no limit.' },
    ],
    action: 'Register',
    async act({ url, id, weight: share, maxConnections }, signal) {
      const body = {
        url,
        ...(id && { id }),
        weight: Number(share),
        ...(maxConnections && { maxConnections: Number(maxConnections) }),
      }
      await call('POST', poolPath('backends'), { body, signal })
    },
  })
}

export function switchPolicy(current: string): void {
  ask({
    title: 'Switch the policy',
    text: 'No request and no count is lost. The next request goes to',
    fields: [
      {
        kind: 'choice',
        name: 'policy',
        label: 'Policy',
        value: current,
        options: policies.map(({ value, text }) => [value, value, text] as const),
      },
    ],
    action: 'Switch',
    async act({ policy }, signal) {
      await call('PUT', poolPath('policy'), { body: { policy }, signal })
    },
  })
}
