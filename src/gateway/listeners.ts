import { once } from 'node:events'
import { createServer } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Settings } from '../config/settings.js'

/** A listener could not be opened. The message is one line that names the environment variable. */
export class ListenError extends Error {}

/** Checks that both listeners could be opened now. @throws {ListenError} */
export async function probePorts({ host, port, adminHost, adminPort }: Settings): Promise<void> {
  if (adminPort !== 'off') await probe(adminHost, adminPort, 'ADMIN_')
  await probe(host, port, '')
}

async function probe(host: string, port: number, prefix: string): Promise<void> {
  const server = createServer()
  try {
    await once(server.listen({ host: addressOf(host), port }), 'listening')
  } catch (error) {
    throw listenError(error, host, port, prefix)
  }
  server.close()
  await once(server, 'close')
}

/** Opens the listener of an app. @param prefix of the variables for host and port @throws {ListenError} */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  prefix: string,
): Promise<void> {
  try {
    await app.listen({ host: addressOf(host), port })
  } catch (error) {
    throw listenError(error, host, port, prefix)
  }
}

/**
 * Resolves "localhost" to one address, because Fastify would open a listener for each of its addresses and wait for
 * only one of them when it closes.
 */
function addressOf(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

function listenError(error: unknown, host: string, port: number, prefix: string): ListenError {
  const { code, message } = error as NodeJS.ErrnoException
  const reasons: Record<string, [variable: string, why: string]> = {
    EADDRINUSE: ['PORT', 'the address is in use'],
    EACCES: ['PORT', 'permission denied'],
    EADDRNOTAVAIL: ['HOST', 'this machine has no such address'],
    ENOTFOUND: ['HOST', 'the name has no address'],
    EAI_AGAIN: ['HOST', 'the name has no address'],
  }
  const [variable, why] = reasons[code ?? ''] ?? ['PORT', message]
  return new ListenError(`${prefix}${variable} cannot listen on ${host}:${port}: ${why}`)
}
