import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, type Stats, statSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'

/** Paths of the PEM files for TLS with a backend; a path is empty where there is no such file. */
export interface TlsFiles {
  /** The authorities that are trusted, in place of those that Node trusts. */
  readonly ca: string
  /** The certificate that backends are shown, and behind it the certificates up to its authority. */
  readonly cert: string
  readonly key: string
}

/** The content of {@link TlsFiles} that was read at one time. */
export interface LoadedFiles {
  readonly secureContext: SecureContext
  /** All that was read, to find whether later content differs. */
  readonly content: Buffer
  /** The state of the files just before they were read, see {@link stateOf}. */
  readonly state: string
}

/** Largest size of a file in bytes. The authorities of an operating system take a quarter of a megabyte. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----.*?-----END \1-----/gs

/** What a private key with a passphrase begins with, in PKCS #8 and in the older form. */
const ENCRYPTED = /^(-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED)/m

/** A file for TLS cannot be used. The message says why, and completes a sentence that begins with the path. */
export class TlsFileError extends Error {
  readonly field: keyof TlsFiles
  readonly path: string

  constructor(field: keyof TlsFiles, path: string, why: string) {
    super(why)
    this.name = 'TlsFileError'
    this.field = field
    this.path = path
  }
}

/**
 * Reads the files and checks all of them. It waits for the disk, so it must not be called for each request.
 * @throws {TlsFileError} that never contains anything of a file
 */
export function loadFiles(files: TlsFiles): LoadedFiles {
  const ca = read('ca', files.ca)
  const cert = read('cert', files.cert)
  const key = read('key', files.key)
  if (ca.content) checkCertificates('ca', files.ca, ca.content)
  if (cert.content && key.content) {
    const certificate = checkCertificates('cert', files.cert, cert.content)
    if (!certificate.checkPrivateKey(privateKey(files.key, key.content)))
      throw new TlsFileError('key', files.key, `is not the key of the certificate in ${quoted(files.cert)}`)
  }
  const all = [ca, cert, key]
  return {
    secureContext: contextOf(files, ca.content, cert.content, key.content),
    content: Buffer.concat(all.map(({ content }) => content ?? Buffer.alloc(0))),
    state: all.map(({ state }) => state).join(),
  }
}

/** Describes the state of a file, so that a change of its content or a replacement of the file is noticed. */
export function stateOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [ino, size, mtimeMs, ctimeMs].join(':')
}

export function quoted(path: string): string {
  return JSON.stringify(path)
}

function read(field: keyof TlsFiles, path: string): { content?: Buffer; state: string } {
  if (path === '') return { state: '' }
  try {
    const found = statSync(path)
    // Reading a pipe would wait for the process at its other end.
    if (!found.isFile()) throw new TlsFileError(field, path, 'is not a file')
    if (found.size > MAX_FILE_BYTES)
      throw new TlsFileError(field, path, `is larger than ${MAX_FILE_BYTES} bytes`)
    return { content: readFileSync(path), state: stateOf(found) }
  } catch (error) {
    if (error instanceof TlsFileError) throw error
    // The rest of the message is the system call and the path.
    throw new TlsFileError(field, path, `cannot be read: ${(error as Error).message.split(', ', 1)[0]}`)
  }
}

/** Checks each certificate of a file, and returns the first. Node would ignore a file of authorities without any. */
function checkCertificates(field: keyof TlsFiles, path: string, content: Buffer): X509Certificate {
  const blocks = content.toString('latin1').match(CERTIFICATE) ?? []
  const certificates = blocks.map((block, i) => {
    try {
      return new X509Certificate(block)
    } catch {
      throw new TlsFileError(field, path, `is damaged: certificate ${i + 1} of ${blocks.length} is none`)
    }
  })
  const [first] = certificates
  if (!first) throw new TlsFileError(field, path, 'has no certificate in PEM (-----BEGIN CERTIFICATE-----)')
  return first
}

function privateKey(path: string, content: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: content, format: 'pem' })
  } catch {
    const isEncrypted = ENCRYPTED.test(content.toString('latin1'))
    throw new TlsFileError(
      'key',
      path,
      isEncrypted ? 'is encrypted, and a key without a passphrase is needed' : 'has no private key in PEM',
    )
  }
}

function contextOf(
  files: TlsFiles,
  ca: Buffer | undefined,
  cert: Buffer | undefined,
  key: Buffer | undefined,
): SecureContext {
  try {
    return createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) })
  } catch (error) {
    // OpenSSL refuses, for example, keys that are too short.
    const { reason, message } = error as Error & { reason?: string }
    const field = cert ? 'cert' : 'ca'
    throw new TlsFileError(field, files[field], `is not accepted by OpenSSL: ${reason ?? message}`)
  }
}
