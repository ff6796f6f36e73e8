import { InvalidBackendError } from '../errors.js'

/**
 * How connections to one backend use TLS. Where a field is left out, the setting of the pool applies. Files are named
 * by their paths, and the core opens none of them.
 */
export interface BackendTls {
  /** Path of a PEM file with the authorities that may have signed the backend's certificate. */
  readonly ca?: string
  /** Path of a PEM file with the certificate that is shown to the backend. */
  readonly cert?: string
  /** Path of a PEM file with the private key of `cert`. */
  readonly key?: string
  /** Host name that the backend is asked for (SNI), and that its certificate has to be valid for. */
  readonly servername?: string
  /** False if the backend's certificate is not checked. */
  readonly rejectUnauthorized?: boolean
}

/** Fields of {@link BackendTls} as they are given; null stands for the setting of the pool, like a missing field. */
export type GivenTls = { readonly [F in keyof BackendTls]?: BackendTls[F] | null | undefined }

/** The names of all fields of {@link BackendTls}. */
export const tlsFields = [
  'ca',
  'cert',
  'key',
  'servername',
  'rejectUnauthorized',
] as const satisfies readonly (keyof BackendTls)[]

/** Most characters of a path that Linux accepts. */
const MAX_PATH_LENGTH = 4095
/** Most characters of a host name, see RFC 1035 section 2.3.4. */
const MAX_NAME_LENGTH = 253
/** A host name whose last label is not a number; such a name would be an IPv4 address. */
const HOST_NAME = /^([\w-]{1,63}\.)*(?!\d+$)[\w-]{1,63}$/

/** Returns true if `name` is a host name as SNI can carry it; an IP address is none (RFC 6066 section 3). */
export function isServername(name: string): boolean {
  return name.length <= MAX_NAME_LENGTH && HOST_NAME.test(name)
}

/**
 * Checks how connections to a backend use TLS, and leaves out the fields for which the pool's setting applies.
 * @throws {InvalidBackendError} for a field that is not valid, a certificate without a key or the reverse, and any
 *   field of a backend whose URL is not `https`
 */
export function checkTls(given: GivenTls, { protocol }: Pick<URL, 'protocol'>): BackendTls {
  const set = tlsFields.filter((field) => given[field] !== undefined && given[field] !== null)
  if (set.length === 0) return noTls
  for (const field of set) {
    if (protocol !== 'https:')
      throw new InvalidBackendError(field, 'is only for a backend whose URL is https')
    if (!isValid[field](given[field])) throw new InvalidBackendError(field, `must be ${accepted[field]}`)
  }
  if (set.includes('cert') && !set.includes('key'))
    throw new InvalidBackendError('key', 'is missing: cert has to come with its private key')
  if (set.includes('key') && !set.includes('cert'))
    throw new InvalidBackendError('cert', 'is missing: key has to come with its certificate')
  return Object.freeze(Object.fromEntries(set.map((field) => [field, given[field]])))
}

/**
 * Returns the fields of a backend after a change; a field that is left out of the change stays as it is.
 * @throws {InvalidBackendError}
 */
export function patchedTls({ tls, url }: { tls: BackendTls; url: string }, patch: GivenTls): BackendTls {
  const changed = tlsFields.filter((field) => patch[field] !== undefined)
  if (changed.length === 0) return tls
  const fields = Object.fromEntries(changed.map((field) => [field, patch[field]]))
  return checkTls({ ...tls, ...fields }, new URL(url))
}

/** Returns true if the fields of two backends are the same. */
export function isSameTls(one: BackendTls, other: BackendTls): boolean {
  return tlsFields.every((field) => one[field] === other[field])
}

/** The pool's settings apply to every field. */
export const noTls: BackendTls = Object.freeze({})

const PATH = 'the path of a PEM file'

const accepted: Record<keyof BackendTls, string> = {
  ca: PATH,
  cert: PATH,
  key: PATH,
  servername: 'a host name, without a port, and not an IP address',
  rejectUnauthorized: 'true or false',
}

const isValid: Record<keyof BackendTls, (value: unknown) => boolean> = {
  ca: isPath,
  cert: isPath,
  key: isPath,
  servername: (value) => typeof value === 'string' && isServername(value),
  rejectUnauthorized: (value) => typeof value === 'boolean',
}

/** Returns true if a value can be the path of a file. */
export function isPath(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && value.length <= MAX_PATH_LENGTH && !value.includes('\0')
}
