import { type ChildProcess, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { spawn } from './children.js'

const program = ['redis-server', 'valkey-server'].find((name) => !spawnSync(name, ['--version']).error)

/** The reason to skip a test where no server is installed; false where there is one. */
export const withoutRedis: string | false = program === undefined && 'needs redis-server or valkey-server'

/** A test, or whatever else says when it is over. */
interface Owner {
  after(end: () => Promise<void>): unknown
}

/** A Redis server of its own for a test. */
export class RedisServer {
  readonly port: number
  readonly #folder: string
  readonly #first: readonly string[]
  readonly #args: readonly string[]
  #child: ChildProcess | undefined

  private constructor(port: number, folder: string, first: readonly string[], args: readonly string[]) {
    this.port = port
    this.#folder = folder
    this.#first = first
    this.#args = args
  }

  /** Starts a server that keeps nothing on disk unless `args` say so. It ends with the test. */
  static async start(t: Owner, ...args: string[]): Promise<RedisServer> {
    return await RedisServer.#begin(t, ['--save', '', '--appendonly', 'no', ...args])
  }

  /** Starts a Sentinel with a configuration file, which it rewrites. It ends with the test. */
  static async startSentinel(t: Owner, file: string): Promise<RedisServer> {
    return await RedisServer.#begin(t, ['--sentinel'], [file])
  }

  static async #begin(t: Owner, args: string[], first: string[] = []): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'leastwise-redis-'))
    const server = new RedisServer(await freeLowPort(), folder, first, args)
    t.after(async () => {
      await server.kill()
      await rm(server.#folder, { recursive: true, force: true })
    })
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts the server, after it was killed, on the same port and in the same folder. */
  async start(): Promise<void> {
    const fixed = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder]
    const words = [...this.#first, ...fixed, ...this.#args]
    const launch = () => spawn(program ?? 'redis-server', words, { stdio: 'ignore' })
    this.#child = launch()
    while (!(await this.#answers())) {
      // It ends at once where somebody else has one of its ports for a moment.
      if (this.#child && this.#child.exitCode !== null) this.#child = launch()
      await setTimeout(10)
    }
  }

  /** Ends the server at once, as kill -9 does. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
  }

  /** Sends the process a signal, for example SIGSTOP or SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Runs a command and returns its reply as the protocol writes it. */
  command(...words: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1')
      let reply = ''
      socket.setEncoding('utf8')
      socket.on('data', (text) => {
        reply += text
        // A Sentinel does not know this command, and leaves the connection open.
        if (reply.includes("unknown command 'QUIT'")) socket.end(() => resolve(reply))
      })
      socket.on('end', () => resolve(reply))
      socket.on('error', reject)
      const line = (parts: string[]) =>
        `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`
      socket.write(line(words) + line(['QUIT']))
    })
  }

  async #answers(): Promise<boolean> {
    return /^(\+PONG|-NOAUTH)/.test(await this.command('PING').catch(() => ''))
  }
}

/** A port below those that the system gives to outgoing connections. */
export async function freeLowPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    await new Promise((resolve) => server.close(resolve))
    if (isFree) return port
  }
}
