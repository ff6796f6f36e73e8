import { isIP } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { BackendTls } from '../../../balancer/backends/backend-tls.js'
import type { Registry } from '../../../balancer/backends/registry.js'
import { InvalidBackendError } from '../../../balancer/errors.js'
import { type Clock, systemClock } from '../../../balancer/time/clock.js'
import { addressOf } from '../transport/address.js'
import { quoted, TlsFileError, type TlsFiles } from './pem-files.js'
import { type FileChange, type TlsContext, TlsContexts } from './tls-contexts.js'

/** The settings of a pool for TLS with its backends. A backend's own fields take precedence. */
export interface PoolTls extends TlsFiles {
  /** Host name that backends are asked for; empty for the name in a backend's URL. */
  readonly servername: string
  readonly rejectUnauthorized: boolean
}

/**
 * Options of `tls.connect` for connections to one backend. All connections of a backend share one such object, until
 * the backend's fields or its files change.
 */
export interface TlsOptions {
  /** The authorities and the certificate from files; undefined for those of Node. */
  readonly secureContext: SecureContext | undefined
  /**
   * Name that is sent as SNI, and that the certificate has to be valid for, whatever the Host field of a request says.
   * Empty for an IP address: Node then checks the certificate against the address, and sends no SNI.
   */
  readonly servername: string
  readonly rejectUnauthorized: boolean
  readonly ALPNProtocols: string[]
  /**
   * The TLS session that the next connection may resume. It is kept here by whoever connects (the event `session` of a
   * connection), and is gone with this object when other authorities or another certificate come into force.
   */
  session: Buffer | undefined
}

/** Returns the options for new connections to a backend; undefined for a backend without TLS. */
export type TlsOptionsOf = (backend: Backend) => TlsOptions | undefined

interface Known {
  /** The backend's own fields from which the options were made. */
  tls: BackendTls
  context: TlsContext | undefined
  options: TlsOptions
}

export const defaultPoolTls: PoolTls = { ca: '', cert: '', key: '', servername: '', rejectUnauthorized: true }

const ALPN_PROTOCOLS = ['http/1.1']

/** How a pool connects to its backends by TLS: authorities, certificates, names, and whether certificates are checked. */
export class UpstreamTls {
  readonly #pool: PoolTls
  readonly #contexts: TlsContexts
  readonly #known = new WeakMap<Backend, Known>()
  #registry: Registry | undefined

  /**
   * @param onChange called when files have changed on disk, see {@link TlsContexts}
   * @throws {TlsFileError} for a file of the pool that cannot be used
   */
  constructor(
    pool = defaultPoolTls,
    clock: Clock = systemClock,
    onChange: (change: FileChange) => void = () => {},
  ) {
    this.#pool = pool
    this.#contexts = new TlsContexts(clock, () => this.#used(), onChange)
    if (hasFiles(pool)) this.#contexts.load(pool)
  }

  /**
   * Reads the files that a backend's own fields name, before the fields come into force.
   * @throws {InvalidBackendError}
   */
  readonly verify = (tls: BackendTls): void => {
    if (tls.ca === undefined && tls.cert === undefined) return
    try {
      this.#contexts.load(this.#filesOf(tls))
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error
      throw new InvalidBackendError(error.field, `${quoted(error.path)} ${error.message}`)
    }
  }

  /** Prepares the options of each backend when it is registered, so that no request has to wait for a file. */
  follow(registry: Registry): void {
    this.#registry = registry
    for (const backend of registry.list()) this.optionsOf(backend)
    registry.on('added', this.optionsOf)
    registry.on('updated', this.optionsOf)
  }

  readonly optionsOf: TlsOptionsOf = (backend) => {
    if (!backend.url.startsWith('https:')) return undefined
    const known = this.#known.get(backend)
    if (known?.tls === backend.tls && known.context?.secureContext === known.options.secureContext)
      return known.options
    const { tls } = backend
    const pool = this.#pool
    const files = this.#filesOf(tls)
    const context = hasFiles(files) ? (this.#contexts.find(files) ?? this.#contexts.load(files)) : undefined
    const options: TlsOptions = {
      secureContext: context?.secureContext,
      servername: tls.servername ?? (pool.servername || certificateName(addressOf(backend).host)),
      rejectUnauthorized: tls.rejectUnauthorized ?? (pool.rejectUnauthorized && isCheckedByNode()),
      ALPNProtocols: ALPN_PROTOCOLS,
      session: undefined,
    }
    this.#known.set(backend, { tls, context, options })
    return options
  }

  /** Stops looking at the files. */
  close(): void {
    this.#registry?.off('added', this.optionsOf)
    this.#registry?.off('updated', this.optionsOf)
    this.#contexts.close()
  }

  /** The certificate and its key come from the same place, be it the backend's own fields or the pool. */
  #filesOf(tls: BackendTls): TlsFiles {
    const { ca, cert, key } = this.#pool
    const isOwn = tls.cert !== undefined && tls.key !== undefined
    return { ca: tls.ca ?? ca, cert: isOwn ? tls.cert : cert, key: isOwn ? tls.key : key }
  }

  #used(): ReadonlySet<TlsContext | undefined> {
    const ofBackends = this.#registry?.list().map((backend) => this.#known.get(backend)?.context) ?? []
    return new Set([this.#contexts.find(this.#pool), ...ofBackends])
  }
}

/** TLS of a pool without settings of its own. */
const defaultTls = new UpstreamTls()

export const defaultTlsOptionsOf: TlsOptionsOf = defaultTls.optionsOf

/** Returns the name that the certificate of a host has to be valid for; empty for an IP address. */
function certificateName(host: string): string {
  return isIP(host) === 0 ? host : ''
}

/** Returns false if Node's own variable turns the check of certificates off, which Node warns of. */
function isCheckedByNode(): boolean {
  return process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0'
}

function hasFiles({ ca, cert }: TlsFiles): boolean {
  return ca !== '' || cert !== ''
}
