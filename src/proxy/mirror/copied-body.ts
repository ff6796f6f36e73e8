import type { IncomingMessage } from 'node:http'
import { GrowingBuffer } from '../downstream/body/growing-buffer.js'
import type { CopyBudget } from './copy-budget.js'

export interface CopiedBodyOptions {
  /** Largest size in bytes. */
  maxBytes: number
  budget: CopyBudget
  /** Called once, with all of the body; or with undefined if there will be no complete copy. */
  onOver(bytes: Buffer | undefined): void
}

/**
 * Copies the body of a request while somebody else reads it, as fast as that reader does. The bytes are held in the
 * budget until {@link free} is called.
 */
export class CopiedBody {
  readonly #request: IncomingMessage
  readonly #options: CopiedBodyOptions
  readonly #bytes: GrowingBuffer
  #held = 0
  #isOver = false

  constructor(request: IncomingMessage, options: CopiedBodyOptions) {
    this.#request = request
    this.#options = options
    this.#bytes = new GrowingBuffer(options.maxBytes)
    // A listener would start the stream before its reader is there.
    if (request.readableFlowing === null) request.pause()
    request.on('data', this.#take)
    request.once('end', this.#end)
  }

  /** Ends the copy: there will be no more of the body. */
  readonly stop = (): void => this.#finish(false)

  /** Gives the bytes back, as they are not needed any more. */
  free(): void {
    this.#options.budget.free(this.#held)
    this.#held = 0
  }

  readonly #take = (chunk: Buffer): void => {
    const { budget, maxBytes } = this.#options
    if (this.#bytes.length + chunk.length > maxBytes || !budget.hold(chunk.length)) {
      this.#finish(false)
      return
    }
    this.#held += chunk.length
    this.#bytes.append(chunk)
  }

  readonly #end = (): void => {
    // Node takes off the listeners of a body that it drops unread, and reads it to its end.
    this.#finish(this.#request.listeners('data').includes(this.#take))
  }

  #finish(isComplete: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#request.off('data', this.#take).off('end', this.#end)
    if (!isComplete) this.free()
    this.#options.onOver(isComplete ? this.#bytes.take() : undefined)
  }
}
