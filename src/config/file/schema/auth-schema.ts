import type { Static } from 'typebox'
import { choice, integer } from '../../setting-types.js'
import { fieldName, fieldNames, file, forwardField, text } from './field-types.js'
import { byName, fields, leaf, listOf, oneOrMore, optional, textField } from './shape.js'

export const asymmetricAlgorithms = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const
export const hmacAlgorithms = ['HS256', 'HS384', 'HS512'] as const

/** Largest difference of clocks that is accepted. A longer one would keep tokens alive that have expired. */
const MAX_CLOCK_TOLERANCE_MS = 300_000

export const AuthSchema = fields(
  {
    jwt: optional(
      fields(
        {
          jwks: optional(text('a URL', 'URL of the JSON Web Key Set of the issuer.')),
          secretFile: optional(
            file('File with the secret of HS256, HS384 or HS512; a line end at its end is taken off.'),
          ),
          publicKeyFile: optional(file('PEM file with public keys or certificates.')),
          algorithms: optional(
            listOf(
              leaf(choice(...asymmetricAlgorithms, ...hmacAlgorithms), 'Name of an algorithm.'),
              'Algorithms that are accepted.',
            ),
          ),
          issuer: optional(
            oneOrMore(
              text('text', 'An issuer.'),
              'Accepted values of `iss`. Required with `jwks`.',
              'text, or a list of texts',
            ),
          ),
          audience: optional(
            oneOrMore(
              text('text', 'An audience.'),
              'Accepted values of `aud`. Required with `jwks`.',
              'text, or a list of texts',
            ),
          ),
          clockTolerance: optional(
            leaf(integer(0, MAX_CLOCK_TOLERANCE_MS, 'milliseconds'), 'By how much clocks may differ.', 0),
          ),
          forward: optional(
            byName(
              fieldName('A request field.'),
              /^[\s\S]{1,256}$/,
              'the name of a claim',
              'Request fields that get the values of claims, by claim; no client can set them.',
            ),
          ),
        },
        'JSON Web Tokens, with exactly one of `jwks`, `secretFile` and `publicKeyFile`.',
      ),
    ),
    basic: optional(
      fields(
        {
          usersFile: file('File of users, as `htpasswd -B` makes it.'),
          realm: optional(
            textField('printable ASCII', 'Name that browsers show.', (value) => /^[\x20-\x7e]+$/.test(value)),
          ),
          forward: forwardField("the user's name"),
        },
        'User and password.',
      ),
    ),
    apiKey: optional(
      fields(
        {
          keysFile: file(
            'File of keys: a line `name:hash` for each, where the hash is SHA-256 of the key in hexadecimal.',
          ),
          header: optional(
            leaf(
              { schema: fieldName(''), accepts: fieldNames, read: String },
              'Request field that has the key.',
              'x-api-key',
            ),
          ),
          forward: forwardField('the name of the key'),
        },
        'API keys.',
      ),
    ),
  },
  'Credentials that requests need: exactly one of `jwt`, `basic` and `apiKey`.',
)

export type AuthValue = Static<typeof AuthSchema>
