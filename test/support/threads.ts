import type { Worker } from 'node:worker_threads'

/** The worker threads that this process has now. */
export const threads = new Set<Worker>()

process.on('worker', (thread) => {
  threads.add(thread)
  thread.once('exit', () => threads.delete(thread))
})

/** Ends a thread at once, as if it had crashed. */
export async function kill(thread: Worker): Promise<void> {
  const ended = new Promise((resolve) => thread.once('exit', resolve))
  thread.terminate()
  await ended
}
