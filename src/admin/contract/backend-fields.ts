import { Type } from 'typebox'
import { MAX_CONNECTIONS, MAX_PORT } from '../../balancer/backends/spec.js'
import { nullable } from './schemas.js'

/** This file has the schemas of the fields of a backend that calls of the API set and show. */

/** Limit of requests in flight of a backend; 0 and null both mean that there is no limit. */
export const MaxConnections = nullable<number>(
  Type.Integer({
    minimum: 0,
    maximum: MAX_CONNECTIONS,
    description:
      'The most requests in flight; 0 and null are no limit. A new backend has `MAX_CONNECTIONS` by default.',
  }),
)

export const HostHeader = Type.Enum(['client', 'backend'], {
  type: 'string',
  description:
    'Which Host the backend sees: the one that the client sent, or its own address. `HOST_HEADER` by default.',
})

export const Backup = Type.Boolean({
  description: 'Whether it is used only where no other backend is usable.',
})

export const HealthPort = nullable<number>(
  Type.Integer({
    minimum: 1,
    maximum: MAX_PORT,
    description:
      "Port that its checks ask; null for `HEALTH_PORT`, or the backend's own where that is 0. Not for a Unix socket.",
  }),
)

export const HealthHost = nullable<string>(
  Type.String({
    description:
      'Host that its checks say; null for `HEALTH_HOST`, or the Host of its requests where that is empty.',
    examples: ['shop.example'],
  }),
)

const Path = (description: string) =>
  nullable<string>(
    Type.String({
      description: `Path of a PEM file on the gateway's machine: ${description}`,
      examples: ['/etc/leastwise/ca.pem'],
    }),
  )

/** How connections to a backend use TLS, for backends whose URL is `https`. Contents of files are never shown. */
export const tlsFields = {
  ca: Path('the authorities that may have signed its certificate, and no others; null for `UPSTREAM_CA`.'),
  cert: Path('the certificate that it is shown; null for `UPSTREAM_CERT`.'),
  key: Path('the private key of `cert`; null for `UPSTREAM_KEY`.'),
  servername: nullable<string>(
    Type.String({
      description:
        'Host name that it is asked for (SNI), and that its certificate has to be valid for; null for `UPSTREAM_SERVERNAME`, or its own name where that is empty.',
      examples: ['shop.internal'],
    }),
  ),
  rejectUnauthorized: nullable<boolean>(
    Type.Boolean({
      description:
        'Whether a certificate that is not valid is refused; null for `UPSTREAM_REJECT_UNAUTHORIZED`.',
    }),
  ),
}
