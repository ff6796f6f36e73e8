import { boolean, filePath, servername } from '../setting-types.js'
import { group, setting } from './setting.js'

export const upstreamTls = group('TLS with backends', {
  upstreamCa: setting({
    type: filePath,
    default: '',
    meaning:
      'PEM file with the authorities that may have signed the certificates of [backends over TLS](guides/backend-tls.md); no others are trusted then. Empty for the authorities that Node trusts. The `ca` of a backend takes precedence',
  }),
  upstreamCert: setting({
    type: filePath,
    default: '',
    meaning:
      'PEM file with the certificate that backends over TLS are shown, and those that lead to its authority; empty for none. The `cert` and `key` of a backend take precedence',
  }),
  upstreamKey: setting({
    type: filePath,
    default: '',
    meaning: 'PEM file with the private key of `UPSTREAM_CERT`, without a passphrase',
  }),
  upstreamServername: setting({
    type: servername,
    default: '',
    meaning:
      'Host name that backends over TLS are asked for (SNI), and that their certificates have to be valid for; empty for the name or the address in the URL. The `servername` of a backend takes precedence',
  }),
  upstreamRejectUnauthorized: setting({
    type: boolean,
    default: true,
    meaning:
      'Whether the certificates of backends are checked: `true` or `false`. `false` lets anyone on the way read and change requests. The `rejectUnauthorized` of a backend takes precedence',
  }),
})
