import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { TestBackend } from './backend.js'
import { spawn } from './children.js'
import { startGateway } from './process.js'
import type { Program } from './programs.js'
import { RedisServer, withoutRedis } from './redis-server.js'

/** The token that programs and commands of the documents find in their environment. */
export const TOKEN = 'change-me'

const announce = new URL('./announce.js', import.meta.url).href

/**
 * What the addresses in a document stand for: real backends, and whatever serves at the moment. `10.0.0.1:8080`
 * and its like are backends, `10.0.0.9:6379` is a store, port 3000 is where traffic enters, 3001 the admin API of a stand-alone gateway, or of the main
 * thread of an app with worker threads.
 */
export class DocsFixture {
  readonly #backends: TestBackend[] = []
  readonly #ends: (() => Promise<void>)[] = []
  #store = ''
  #traffic = ''
  #stop: () => Promise<void> = async () => {}
  admin = ''
  /** Resolves to the log line of the first request of the gateway that serves now; undefined where none serves. */
  requestLine: () => Promise<Record<string, unknown>> | undefined = () => undefined

  /** @param hasStore true if the document has a store at 10.0.0.9, for which there is a server where one is installed */
  async open(hasStore = false): Promise<this> {
    if (hasStore && !withoutRedis) {
      const after = (end: () => Promise<void>) => this.#ends.push(end)
      this.#store = (await RedisServer.start({ after })).url
    }
    for (let i = 0; i < 3; i++) {
      const backend = new TestBackend((request, response) => {
        request.resume().once('end', () => response.end('ok'))
      })
      this.#backends.push(await backend.listen())
    }
    return this
  }

  /** A text of a document with the addresses that are good here. */
  live(text: string): string {
    const [first] = this.#backends as [TestBackend]
    return text
      .replace(/STORE=redis:\/\/10\.0\.0\.9:6379/, `STORE=${this.#store}`)
      .replace('redis://10.0.0.9:6379', this.#store || 'redis://127.0.0.1:9')
      .replace(/10\.0\.0\.(\d):8080/g, (_, n) => `127.0.0.1:${this.#backends[n - 1]?.port}`)
      .replace(/10\.0\.0\.(\d)-8080/g, (_, n) => `127.0.0.1-${this.#backends[n - 1]?.port}`)
      .replaceAll('backends.internal', 'localhost')
      .replaceAll('8080', String(first.port))
      .replaceAll('http://localhost:3000', this.#traffic)
      .replaceAll('http://localhost:3001', this.admin)
      .replaceAll('localhost:3000', this.#traffic)
      .replaceAll('localhost:3001', this.admin)
      .replace(/port: 300[01]\b/g, "port: 0, host: '127.0.0.1'")
  }

  /** Starts a gateway in the place of what served before. */
  async serveGateway(env: Record<string, string>): Promise<void> {
    await this.stop()
    const gateway = await startGateway({ PORT: '0', ADMIN_PORT: '0', ...env })
    this.#traffic = gateway.url
    this.admin = gateway.admin
    this.requestLine = () => gateway.line(({ msg }) => msg === 'request')
    this.#stop = async () => {
      assert.equal(await gateway.stop(), 0, 'the gateway stops in order')
    }
  }

  /** Starts a program in the place of what served before, and waits until it listens. */
  async serve(program: Program, file: string): Promise<void> {
    await this.stop()
    const { child, ended, told } = startProgram(['--import', announce, file], dirname(file))
    const where = `${program.document}, the program that ends after line ${program.line}`
    const addressOf = async (thread: 'main' | 'worker') => {
      const address = await Promise.race([listening(child, thread), ended])
      assert.ok(typeof address === 'object' && address, `${where} listens\n${told()}`)
      return `http://127.0.0.1:${address.port}`
    }
    // Where worker threads carry the traffic, the main thread has the admin API.
    const hasWorkers = program.code.includes('new Worker(')
    const addresses = [addressOf(hasWorkers ? 'worker' : 'main'), ...(hasWorkers ? [addressOf('main')] : [])]
    ;[this.#traffic = '', this.admin = this.admin] = await Promise.all(addresses)
    const graceful = program.code.includes('close-with-grace')
    this.#stop = async () => {
      child.kill()
      const code = await ended
      if (graceful) assert.equal(code, 0, `${where} closes with grace\n${told()}`)
    }
  }

  async stop(): Promise<void> {
    const stop = this.#stop
    this.#stop = async () => {}
    await stop()
  }

  async close(): Promise<void> {
    await this.stop()
    await Promise.all([
      ...this.#backends.map((backend) => backend.close()),
      ...this.#ends.map((end) => end()),
    ])
  }
}

/**
 * Runs programs that end by themselves, one after the other in one process: to load what they import takes longer
 * than to run them.
 * @param file where one was compiled to
 * @param folder for what they leave behind
 */
export async function runToEnd(
  programs: Program[],
  file: (program: Program) => string,
  folder: string,
): Promise<void> {
  const mark = (program: Program) => `--- line ${program.line}`
  const steps = programs.map((program) => {
    const url = pathToFileURL(file(program)).href
    return `console.log('${mark(program)}'); await import('${url}')`
  })
  const { ended, told } = startProgram(['--input-type=module', '--eval', steps.join('\n')], folder)
  assert.equal(await ended, 0, told())
  const printed = told().split('\n')
  for (const program of programs) {
    const wanted = expected(program.code)
    // What node:test says comes when it likes.
    const lines = printed.slice(printed.indexOf(mark(program)) + 1).filter((line) => wanted.includes(line))
    assert.deepEqual(lines.slice(0, wanted.length), wanted, `${program.document}:${program.line}\n${told()}`)
  }
}

function startProgram(args: string[], folder: string) {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, ADMIN_TOKEN: TOKEN, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk
    })
  }
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, ended, told: () => output }
}

/** Resolves to the first address on which the main thread, or a worker, of a program listens. */
async function listening(child: ChildProcess, thread: 'main' | 'worker'): Promise<AddressInfo> {
  for (;;) {
    const [told] = (await once(child, 'message')) as [{ address: AddressInfo; thread: string }]
    if (told.thread === thread) return told.address
  }
}

/** What a program says that it prints. */
function expected(code: string): string[] {
  return [...code.matchAll(/^ *console\.log\(.*\) \/\/ (.*)$/gm)].map(([, text = '']) => text)
}
