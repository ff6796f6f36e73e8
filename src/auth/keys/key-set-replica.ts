import type { KeySet, KeySetSource, NoKeys } from './key-set-source.js'

/** Asks the thread that fetches the keys, as {@link KeySetSource} says. It may reject where that thread does not answer. */
export type KeySetQuestions = Pick<KeySetSource, 'get' | 'refresh'>

/** A change that the thread which fetches the keys tells the others. */
export interface KeySetChange {
  url: string
  /** Undefined where there are no keys any more. */
  keySet: KeySet | undefined
}

/** Seconds after which a client may try again if the thread that fetches the keys did not answer. */
const RETRY_AFTER_S = 1

/**
 * The key sets in a thread that does not fetch them. It asks once for each URL, and is told of each change after that,
 * so that nothing is asked for a request as long as there are keys.
 */
export class KeySetReplica implements KeySetSource {
  readonly #questions: KeySetQuestions
  readonly #keySets = new Map<string, KeySet>()
  /** Questions that are not answered yet: requests that come together share one. */
  readonly #asked = new Map<string, Promise<KeySet | NoKeys>>()

  constructor(questions: KeySetQuestions) {
    this.#questions = questions
  }

  /** Takes a change. Changes and answers have to come in the order in which they were made. */
  apply({ url, keySet }: KeySetChange): void {
    if (keySet) this.#keySets.set(url, keySet)
    else this.#keySets.delete(url)
  }

  current(url: string): KeySet | undefined {
    return this.#keySets.get(url)
  }

  get(url: string): Promise<KeySet | NoKeys> {
    return this.#ask(url, () => this.#questions.get(url))
  }

  refresh(url: string, revision: number): Promise<KeySet | NoKeys> {
    return this.#ask(url, () => this.#questions.refresh(url, revision))
  }

  #ask(url: string, question: () => Promise<KeySet | NoKeys>): Promise<KeySet | NoKeys> {
    let answer = this.#asked.get(url)
    if (!answer) {
      answer = this.#take(url, question).finally(() => this.#asked.delete(url))
      this.#asked.set(url, answer)
    }
    return answer
  }

  async #take(url: string, question: () => Promise<KeySet | NoKeys>): Promise<KeySet | NoKeys> {
    let answer: KeySet | NoKeys
    try {
      answer = await question()
    } catch {
      return this.#keySets.get(url) ?? { retryAfter: RETRY_AFTER_S }
    }
    if ('retryAfter' in answer) return answer
    const known = this.#keySets.get(url)
    // A change may have brought these very keys, or newer ones. The same object stays as long as the keys do.
    if (known && known.revision >= answer.revision) return known
    this.#keySets.set(url, answer)
    return answer
  }
}
