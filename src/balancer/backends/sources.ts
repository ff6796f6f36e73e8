import { BackendExistsError } from '../errors.js'
import type { BackendRecord, BackendSource, ConfiguredBackend } from './spec.js'
import { checkAddedAt, checkAdminState, checkSpec } from './validation.js'

/**
 * The description of one backend in the list of a source, checked and normalized, so that two descriptions can be
 * compared.
 */
export interface SourceEntry extends ConfiguredBackend, Pick<BackendRecord, 'state' | 'addedAt'> {}

/** The difference between two successive lists of backends from one source. */
export interface SourceChanges {
  /** URLs of the old list that are not in the new one. */
  dropped: string[]
  /** The entries of the new list in its order; `isKnown` is true where the old list had the same description. */
  entries: { entry: SourceEntry; isKnown: boolean }[]
  /** The new list by URL. */
  now: Map<string, SourceEntry>
}

/** Remembers how each source described its backends last, to find what changed in its next list. */
export class Sources {
  readonly #lists = new Map<BackendSource, Map<string, SourceEntry>>()

  /** Returns the description of a backend in the last list of a source; undefined where that list does not have it. */
  find(source: BackendSource, url: string): SourceEntry | undefined {
    return this.#lists.get(source)?.get(url)
  }

  /** Returns the last list of a source. */
  list(source: BackendSource): SourceEntry[] {
    return [...(this.#lists.get(source)?.values() ?? [])]
  }

  /**
   * Compares the new list of a source with the previous one.
   * @throws {InvalidBackendError | BackendExistsError} for a wrong description, or a URL that is listed twice
   */
  compare(specs: readonly BackendRecord[], before: readonly BackendRecord[]): SourceChanges {
    const old = byUrl(before)
    const now = byUrl(specs)
    return {
      dropped: [...old.keys()].filter((url) => !now.has(url)),
      entries: Array.from(now.values(), (entry) => {
        const known = old.get(entry.url)
        return { entry, isKnown: known !== undefined && isSame(known, entry) }
      }),
      now,
    }
  }

  /** Remembers the new list, which is now in force. */
  remember(source: BackendSource, { now }: SourceChanges): void {
    this.#lists.set(source, now)
  }
}

/** Checks the description of a backend. @throws {InvalidBackendError} */
export function entryOf(record: BackendRecord): SourceEntry {
  const entry: SourceEntry = checkSpec(record)
  if (record.state !== undefined) entry.state = checkAdminState(record.state)
  if (record.addedAt !== undefined) entry.addedAt = checkAddedAt(record.addedAt).toISOString()
  return entry
}

function byUrl(specs: readonly BackendRecord[]): Map<string, SourceEntry> {
  const entries = new Map<string, SourceEntry>()
  for (const spec of specs) {
    const entry = entryOf(spec)
    if (entries.has(entry.url)) throw new BackendExistsError(`url ${entry.url}`)
    entries.set(entry.url, entry)
  }
  return entries
}

/**
 * Returns true if two descriptions say the same. Fields are compared by name, and not in a loop, which takes ten times as
 * long; a test has all of them.
 */
export function isSame(one: SourceEntry, other: SourceEntry): boolean {
  return (
    (one.state ?? 'active') === (other.state ?? 'active') &&
    one.url === other.url &&
    one.id === other.id &&
    one.weight === other.weight &&
    one.maxConnections === other.maxConnections &&
    one.hostHeader === other.hostHeader &&
    one.backup === other.backup &&
    one.healthPort === other.healthPort &&
    one.healthHost === other.healthHost &&
    one.ca === other.ca &&
    one.cert === other.cert &&
    one.key === other.key &&
    one.servername === other.servername &&
    one.rejectUnauthorized === other.rejectUnauthorized
  )
}
