/**
 * Keeps `process.memoryUsage()` from throwing. It opens a file, so it fails once the process has run out of file
 * descriptors. under-pressure calls it from a timer, where the error would end the gateway when it has most clients. In
 * that case the last known figures are returned.
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
