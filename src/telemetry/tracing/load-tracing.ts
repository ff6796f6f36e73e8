import { Tracing } from './tracing.js'

let loaded: Promise<Tracing | undefined> | undefined

/**
 * Loads the package `@opentelemetry/api`, once in this thread. Resolves to undefined where it is not installed, as it
 * is optional.
 * @throws {Error} if the package is there and cannot be loaded
 */
export function loadTracing(): Promise<Tracing | undefined> {
  loaded ??= load()
  return loaded
}

async function load(): Promise<Tracing | undefined> {
  try {
    return new Tracing(await import('@opentelemetry/api'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}
