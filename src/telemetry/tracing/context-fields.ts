import type { Context } from '@opentelemetry/api'
import { type FieldLines, isFieldValue, isToken } from '../../proxy/http/fields.js'
import type { TracingApi } from './tracing-api.js'

/** Returns fields without those from which a backend learns of a trace. @param names the names of those */
export function withoutContext(lines: FieldLines, names: readonly string[]): FieldLines {
  const lower = names.map((name) => name.toLowerCase())
  const others: FieldLines = []
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    if (!lower.includes(name.toLowerCase())) others.push(name, lines[i + 1] as string)
  }
  return others
}

/** Adds the fields from which a backend learns of a trace. */
export function addContext(lines: FieldLines, { propagation }: TracingApi, context: Context): void {
  propagation.inject(context, lines, setter)
}

const setter = {
  set(lines: FieldLines, name: string, value: string): void {
    // A backend would not get a request that has another field.
    if (isToken(name) && isFieldValue(value)) lines.push(name, value)
  },
}
