import { printable } from '../text/printable.js'

/** Names of fields that hold credentials, or look as if they might. */
const SECRET =
  /authori[sz]|authenticat|^auth|-auth|cookie|token|secret|passw|pwd|credential|session|signature|assertion|jwt|csrf|xsrf|otp|key$|key-|(^|-)(pin|sid)$|websocket-protocol/i
/** Values that are credentials by their scheme, whatever their field is called. */
const CREDENTIALS = /^(basic|bearer|digest|negotiate|token|apikey)\s/i

/** A message's header fields as the log may show them: without secrets, and with URLs without their queries. */
export function withoutSecrets(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const fields = Object.entries(headers).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    fields.map(([name, value]) => [printable(name), valueWithoutSecrets(name, String(value))]),
  )
}

function valueWithoutSecrets(name: string, value: string): string {
  if (SECRET.test(name) || CREDENTIALS.test(value)) return '[redacted]'
  // One field may contain several URLs, each with a user and a password. A query may contain commas and semicolons.
  return printable(value.replaceAll(/([?#])[^\s>"]+/g, '$1***').replaceAll(/\/\/[^/\s]*@/g, '//***@'))
}
