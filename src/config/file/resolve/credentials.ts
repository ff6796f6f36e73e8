// Over 200 lines: the three kinds of credentials, with the files of each.
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { ApiKeyConfig, AuthConfig, BasicConfig, JwtConfig } from '../gateway-config.js'
import type { Mistakes, Path } from '../mistakes.js'
import { type AuthValue, asymmetricAlgorithms, hmacAlgorithms } from '../schema/auth-schema.js'
import { forwardName, heldByGateway } from './header-names.js'
import type { NamedFiles } from './named-files.js'

const DEFAULT_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']
const MIN_RSA_BITS = 2048
/** A longer key would take too long for each token. */
const MAX_RSA_BITS = 8192
/** P-256, P-384 and P-521, as OpenSSL calls them. */
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1']
/** Most keys in one file. */
const MAX_KEYS = 100_000
const EMPTY_HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
/** A hash by bcrypt. A cost of 15 or more takes seconds for each check. */
const BCRYPT = /^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/

type JwtValue = NonNullable<AuthValue['jwt']>

/** Makes the credentials that a route asks for, from files. */
export class Credentials {
  readonly #files: NamedFiles
  readonly #mistakes: Mistakes

  constructor(files: NamedFiles, mistakes: Mistakes) {
    this.#files = files
    this.#mistakes = mistakes
  }

  /** @param name of the route, for the realm */
  resolve({ jwt, basic, apiKey }: AuthValue, path: Path): AuthConfig | undefined {
    if (!exactlyOne({ jwt, basic, apiKey }, path, this.#mistakes)) return undefined
    if (jwt) return { jwt: this.#jwt(jwt, [...path, 'jwt']) }
    if (basic) return { basic: this.#basic(basic, [...path, 'basic']) }
    return { apiKey: this.#apiKey(apiKey as NonNullable<typeof apiKey>, [...path, 'apiKey']) }
  }

  #jwt(given: JwtValue, path: Path): JwtConfig {
    const { jwks, secretFile, publicKeyFile } = given
    const isOne = exactlyOne({ jwks, secretFile, publicKeyFile }, path, this.#mistakes)
    const algorithms = given.algorithms ?? (secretFile === undefined ? DEFAULT_ALGORITHMS : ['HS256'])
    if (isOne) this.#checkAlgorithms(algorithms, secretFile !== undefined, [...path, 'algorithms'])
    for (const name of ['issuer', 'audience'] as const) {
      if (jwks === undefined || given[name] !== undefined || this.#mistakes.covers([...path, name])) continue
      this.#mistakes.add(
        path,
        `has no ${name}: it is required with jwks, whose issuer may sign for others as well`,
      )
    }
    return {
      keys: this.#keys(given, algorithms, path),
      algorithms,
      issuer: listIn(given.issuer),
      audience: listIn(given.audience),
      clockTolerance: given.clockTolerance ?? 0,
      forward: this.#forward(given.forward ?? {}, [...path, 'forward']),
    }
  }

  #keys({ jwks, secretFile, publicKeyFile }: JwtValue, algorithms: readonly string[], path: Path) {
    if (jwks !== undefined) return { jwks: this.#jwksUrl(jwks, [...path, 'jwks']) }
    if (secretFile !== undefined)
      return { secret: this.#secret(secretFile, algorithms, [...path, 'secretFile']) }
    return {
      publicKey:
        publicKeyFile === undefined ? '' : this.#publicKey(publicKeyFile, [...path, 'publicKeyFile']),
    }
  }

  #checkAlgorithms(algorithms: readonly string[], isSecret: boolean, path: Path): void {
    const accepted: readonly string[] = isSecret ? hmacAlgorithms : asymmetricAlgorithms
    for (const [i, algorithm] of algorithms.entries()) {
      if (algorithm === undefined) continue
      if (!accepted.includes(algorithm)) {
        const why = isSecret
          ? 'the key is a secret'
          : 'the keys are public, and a public key is no secret for HMAC'
        this.#mistakes.refuse([...path, i], algorithm, `${why}: it takes ${accepted.join(', ')}`)
      } else if (algorithms.indexOf(algorithm) < i)
        this.#mistakes.refuse([...path, i], algorithm, 'it comes twice')
    }
  }

  #jwksUrl(text: string, path: Path): string {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.hash
    if (!isPlain)
      this.#mistakes.refuse(path, text, 'it takes a URL of http or https, without credentials and fragment')
    return text
  }

  #secret(file: string, algorithms: readonly string[], path: Path): string {
    const secret = this.#files.read(file, path)?.replace(/\r?\n$/, '')
    if (secret === undefined) return ''
    // RFC 7518 section 3.2: a key is at least as long as the hash.
    const bits = Math.max(...algorithms.map((name) => Number(/^HS(\d+)$/.exec(name)?.[1] ?? 0)))
    if (Buffer.byteLength(secret) < bits / 8)
      this.#mistakes.refuse(
        path,
        file,
        `the secret in the file is shorter than the ${bits / 8} bytes that HS${bits} takes`,
      )
    return secret
  }

  #publicKey(file: string, path: Path): string {
    const text = this.#files.read(file, path)
    if (text === undefined) return ''
    const refuse = (why: string) => {
      this.#mistakes.refuse(path, file, why)
      return ''
    }
    if (text.includes('PRIVATE KEY-----'))
      return refuse('the file has a private key, and a public one is enough')
    const blocks =
      text.match(/-----BEGIN (PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE)-----[\s\S]*?-----END \1-----/g) ?? []
    if (blocks.length === 0) return refuse('the file has no public key or certificate in PEM')
    for (const block of blocks) {
      const fault = publicKeyFault(block)
      if (fault !== undefined) return refuse(`the file has ${fault}`)
    }
    return text
  }

  #basic({ usersFile, realm, forward }: NonNullable<AuthValue['basic']>, path: Path): BasicConfig {
    const at = [...path, 'usersFile']
    const users = this.#lines(usersFile, at, (hash) =>
      BCRYPT.test(hash) ? undefined : 'has no bcrypt hash of a cost from 4 to 14; htpasswd -B makes one',
    )
    return { users, realm: realm ?? 'leastwise', forward: this.#forwardOf(forward, [...path, 'forward']) }
  }

  #apiKey({ keysFile, header, forward }: NonNullable<AuthValue['apiKey']>, path: Path): ApiKeyConfig {
    const name = (header ?? 'x-api-key').toLowerCase()
    const isHeld = name !== 'authorization' && (heldByGateway(name) || name === 'cookie')
    if (isHeld) this.#mistakes.refuse([...path, 'header'], name, 'no key can be in that field')
    const known = new Set<string>()
    const keys = this.#lines(keysFile, [...path, 'keysFile'], (hash) => {
      if (!/^[0-9a-f]{64}$/i.test(hash)) return 'has no SHA-256 hash of 64 hexadecimal digits after its name'
      const lower = hash.toLowerCase()
      if (lower === EMPTY_HASH) return 'has the hash of an empty key'
      if (known.has(lower)) return 'has the hash of another line'
      known.add(lower)
      return undefined
    })
    const lowered = Object.fromEntries(Object.entries(keys).map(([key, hash]) => [key, hash.toLowerCase()]))
    const to = this.#forwardOf(forward, [...path, 'forward'])
    if (to !== '' && to === name)
      this.#mistakes.refuse([...path, 'forward'], to, 'it is the field of the key')
    return { header: name, keys: lowered, forward: to }
  }

  /** Reads lines of `name:value`. @param fault says what is wrong with a value */
  #lines(file: string, path: Path, fault: (value: string) => string | undefined): Record<string, string> {
    const found = new Map<string, string>()
    const refuse = (line: number, why: string) =>
      this.#mistakes.refuse(path, file, `line ${line} of the file ${why}`)
    const text = this.#files.read(file, path)
    if (text === undefined) return {}
    const before = this.#mistakes.count
    for (const [i, line] of text.split(/\r\n|\n/).entries()) {
      if (line.trim() === '' || line.startsWith('#')) continue
      const [, name, value] = /^([^:\p{Cc}]{1,256}):(.*)$/su.exec(line) ?? []
      const why = name === undefined ? 'is no name, colon and hash' : fault((value as string).trimEnd())
      if (why !== undefined) refuse(i + 1, why)
      else if (found.has(name as string)) refuse(i + 1, 'has the name of another line')
      else found.set(name as string, (value as string).trimEnd())
      if (found.size > MAX_KEYS) {
        refuse(i + 1, `is one too many: at most ${MAX_KEYS} are taken`)
        break
      }
    }
    if (found.size === 0 && this.#mistakes.count === before)
      this.#mistakes.refuse(path, file, 'the file has no entry')
    return Object.fromEntries(found)
  }

  #forwardOf(name: string | undefined, path: Path): string {
    return name === undefined ? '' : forwardName(name, path, this.#mistakes)
  }

  #forward(given: Readonly<Record<string, string>>, path: Path): Record<string, string> {
    const taken = new Map<string, string>()
    return Object.fromEntries(
      Object.entries(given).map(([claim, name]) => {
        const field = forwardName(name, [...path, claim], this.#mistakes)
        const plain = field.replaceAll('_', '-')
        const other = taken.get(plain)
        if (other !== undefined)
          this.#mistakes.refuse([...path, claim], name, `${JSON.stringify(other)} has that field`)
        taken.set(plain, claim)
        return [claim, field]
      }),
    )
  }
}

/** What is wrong with a key; undefined for one whose signatures can be verified. */
function publicKeyFault(pem: string): string | undefined {
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch {
    return 'a public key or certificate that cannot be read'
  }
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS
        ? `an RSA key of ${modulusLength} bits: it takes ${MIN_RSA_BITS} to ${MAX_RSA_BITS}`
        : undefined
    case 'ec':
      return CURVES.includes(namedCurve)
        ? undefined
        : `a key of the curve ${namedCurve}: it takes P-256, P-384 or P-521`
    case 'ed25519':
      return undefined
    default:
      return `a key of the kind ${key.asymmetricKeyType}: it takes RSA, EC or Ed25519`
  }
}

/** Checks that exactly one of several fields is there. */
export function exactlyOne(given: Record<string, unknown>, path: Path, mistakes: Mistakes): boolean {
  const there = Object.keys(given).filter(
    (name) => given[name] !== undefined || mistakes.covers([...path, name]),
  )
  const names = Object.keys(given)
  const list = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
  if (there.length === 0) mistakes.add(path, `has none of ${list}: it takes exactly one`)
  if (there.length > 1)
    mistakes.add(
      [...path, there[1] as string],
      `${there[0]} is there as well: it takes exactly one of ${list}`,
      'name',
    )
  return there.length === 1 && given[there[0] as string] !== undefined
}

function listIn(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : value
}
