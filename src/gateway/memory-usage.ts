/**
 * Keeps `process.memoryUsage()` from throwing. It opens a file, so that it fails once the process is out of
 * file descriptors; under-pressure calls it from a timer, where the error would end the gateway at the very
 * moment at which it has most clients. The last known figures serve meanwhile.
 */
export function guardMemoryUsage(): void {
  const { memoryUsage } = process
  let known = memoryUsage()
  const guarded = () => {
    try {
      known = memoryUsage()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EMFILE' && code !== 'ENFILE') throw error
    }
    return known
  }
  process.memoryUsage = Object.assign(guarded, { rss: memoryUsage.rss })
}
