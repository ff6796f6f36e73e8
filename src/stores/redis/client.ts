import type { Redis } from 'ioredis'

/** Longest pause between two attempts to connect. */
const MAX_PAUSE_MS = 2000

/**
 * Makes a client that is not connected yet, and that connects again, with growing pauses, each time the connection is
 * lost.
 * @throws {Error} if the package ioredis, which is optional, is not installed
 */
export async function openClient(url: string): Promise<Redis> {
  const { Redis } = await import('ioredis').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Error('it needs the package ioredis: npm install ioredis')
  })
  return new Redis(url, {
    lazyConnect: true,
    connectTimeout: 2000,
    // A command that cannot be sent at once fails, and one whose connection is lost is not sent again.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    retryStrategy: (times) =>
      Math.min(50 * 2 ** Math.min(times, 10), MAX_PAUSE_MS) * (0.5 + Math.random() / 2),
  })
}
