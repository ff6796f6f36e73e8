import { BackendExistsError } from '../errors.js'
import { type BackendRecord, type BackendSource, backendFields, type ConfiguredBackend } from './spec.js'
import { checkAddedAt, checkAdminState, checkSpec } from './validation.js'

/** What a source says of one backend, written in one way. */
export interface Statement extends ConfiguredBackend, Pick<BackendRecord, 'state' | 'addedAt'> {}

/** How what a source says differs from what it said before. */
export interface SourceChanges {
  /** URLs that it does not name any more. */
  dropped: string[]
  /** What it says, in its order, and of which backends it said just that before. */
  said: { statement: Statement; isKnown: boolean }[]
  /** The same by URL, to be remembered. */
  now: Map<string, Statement>
}

/** Remembers what each source of backends said last, to tell what is new in what it says now. */
export class Sources {
  readonly #said = new Map<BackendSource, Map<string, Statement>>()

  /** What a source said last of a backend; undefined where it does not name it. */
  said(source: BackendSource, url: string): Statement | undefined {
    return this.#said.get(source)?.get(url)
  }

  /** All that a source said last. */
  all(source: BackendSource): Statement[] {
    return [...(this.#said.get(source)?.values() ?? [])]
  }

  /**
   * Compares what a source says now with what it said before.
   * @throws {InvalidBackendError | BackendExistsError} for what is wrong, or said twice
   */
  compare(specs: readonly BackendRecord[], before: readonly BackendRecord[]): SourceChanges {
    const old = byUrl(before)
    const now = byUrl(specs)
    return {
      dropped: [...old.keys()].filter((url) => !now.has(url)),
      said: Array.from(now.values(), (statement) => {
        const known = old.get(statement.url)
        return { statement, isKnown: known !== undefined && saysTheSame(known, statement) }
      }),
      now,
    }
  }

  /** What was compared is in force. */
  remember(source: BackendSource, { now }: SourceChanges): void {
    this.#said.set(source, now)
  }
}

function byUrl(specs: readonly BackendRecord[]): Map<string, Statement> {
  const statements = new Map<string, Statement>()
  for (const spec of specs) {
    const statement: Statement = checkSpec(spec)
    if (spec.state !== undefined) statement.state = checkAdminState(spec.state)
    if (spec.addedAt !== undefined) statement.addedAt = checkAddedAt(spec.addedAt).toISOString()
    if (statements.has(statement.url)) throw new BackendExistsError(`url ${statement.url}`)
    statements.set(statement.url, statement)
  }
  return statements
}

function saysTheSame(one: Statement, other: Statement): boolean {
  return (
    (one.state ?? 'active') === (other.state ?? 'active') &&
    backendFields.every((field) => one[field] === other[field])
  )
}
