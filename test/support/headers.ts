import { addLine, emptyHeaders, type Headers } from '../../src/proxy/http/fields.js'

/**
 * Converts header lines to fields by lower-case name, and keeps the value of each line. Node would join the lines of
 * some fields, and would keep only the first line of others.
 */
export function toHeaders(lines: readonly string[]): Headers {
  const headers = emptyHeaders()
  for (let i = 0; i < lines.length; i += 2) {
    addLine(headers, (lines[i] as string).toLowerCase(), lines[i + 1] as string)
  }
  return headers
}
