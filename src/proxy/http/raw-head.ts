import type { FieldLines, Headers } from './fields.js'

/**
 * Returns the head of a message in the form that is written on a bare connection, including the empty line at its end.
 * The head has to be written as latin1.
 * @param startLine the request line or status line
 */
export function rawHead(startLine: string, fields: Headers | FieldLines): string {
  let head = `${startLine}\r\n`
  if (Array.isArray(fields)) {
    for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`
  } else {
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue
      for (const line of Array.isArray(value) ? value : [value]) head += `${name}: ${line}\r\n`
    }
  }
  return `${head}\r\n`
}
