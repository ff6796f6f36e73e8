import { createHash } from 'node:crypto'
import type { Backend } from '../balancer/backends/backend.js'
import type { Registry } from '../balancer/backends/registry.js'
import type { ChangeablePool, PoolChange } from '../balancer/state/change.js'
import { backendStateOf } from '../balancer/state/state-of.js'
import { InvalidRequestError } from '../proxy/downstream/errors/errors.js'
import { PreconditionFailedError } from './errors.js'

/*
 * Entity tags (RFC 9110 section 8.8.3) are hashes of what is stored of a pool. Counts and health are not part of them, so
 * that they are the same at every gateway, and change only when somebody changes something.
 */

/** Returns the entity tag of a backend. */
export function backendTag(registry: Registry, backend: Backend): string {
  return tagOf([backendStateOf(backend), registry.isLeaving(backend)])
}

/** Returns the entity tag of the list of backends; their order makes no difference. */
export function backendsTag(registry: Registry): string {
  const staying = registry.list().filter((backend) => !registry.isLeaving(backend))
  return tagOf(staying.map((backend) => JSON.stringify(backendStateOf(backend))).sort())
}

/** Returns the entity tag of the policy. */
export function policyTag(policy: string): string {
  return tagOf({ policy })
}

function tagOf(value: unknown): string {
  return `"${createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 22)}"`
}

/**
 * Reads the field If-Match of a call that changes a pool (RFC 9110 section 13.1.1).
 * @returns what looks whether the call may be carried out; undefined where the call has no such field
 * @throws {InvalidRequestError} for a malformed field
 */
export function conditionOf(
  field: string | undefined,
  change: PoolChange,
): ((pool: ChangeablePool) => void) | undefined {
  if (field === undefined) return undefined
  const tags = field.trim() === '*' ? undefined : tagsOf(field)
  return (pool) => {
    const { what, tag } = presentTag(pool, change)
    // A weak tag, which begins with W/, never matches: the comparison is the strong one.
    if (tags && !tags.includes(tag)) throw new PreconditionFailedError(what)
  }
}

/** One element of the list, which may be empty, and the comma behind it. */
const ELEMENT = /[ \t]*(?:((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(?:,|$)/y

function tagsOf(field: string): string[] {
  const tags: string[] = []
  for (let at = 0; at < field.length; ) {
    ELEMENT.lastIndex = at
    const [whole, tag] = ELEMENT.exec(field) ?? []
    if (!whole) throw malformed()
    if (tag !== undefined) tags.push(tag)
    at += whole.length
  }
  if (tags.length === 0) throw malformed()
  return tags
}

function malformed(): Error {
  return new InvalidRequestError('headers.if-match must be * or a list of entity tags in quotes')
}

/** Returns the tag of what a change is about: a backend, the policy, or the list for a backend that is added. */
function presentTag({ registry, policy }: ChangeablePool, change: PoolChange): { what: string; tag: string } {
  if (change.kind === 'policy') return { what: 'the policy', tag: policyTag(policy) }
  if (change.kind === 'add') return { what: 'the list of backends', tag: backendsTag(registry) }
  return { what: `backend "${change.id}"`, tag: backendTag(registry, registry.get(change.id)) }
}
