import type { Call, Parameter } from './document.js'

/** Longest line of example code on the page, in characters. */
const LINE_LENGTH = 110

/** Returns example commands for a call: one without any query, and one for each query parameter. */
export function examples(method: string, path: string, call: Call, base: string): string[] {
  const { parameters = [], requestBody, security } = call
  const body = requestBody?.content['application/json']?.example
  const options = [
    ...(method === 'GET' ? [] : [`-X ${method}`]),
    ...(security ? ['-H "Authorization: Bearer $ADMIN_TOKEN"'] : []),
    // A body without fields may be left out, so the command has none.
    ...(body === undefined || Object.keys(body as object).length === 0
      ? []
      : ['-H content-type:application/json', `-d ${quoted(JSON.stringify(body))}`]),
  ]
  const filled = parameters
    .filter((parameter) => parameter.in === 'path')
    .reduce((url, parameter) => url.replace(`{${parameter.name}}`, sample(parameter)), base + path)
  const queries = parameters
    .filter((parameter) => parameter.in === 'query')
    .map((parameter) => `?${parameter.name}=${sample(parameter)}`)
  return ['', ...queries].map((query) => {
    const words = ['curl', ...options, quoted(filled + query)]
    const line = words.join(' ')
    return line.length <= LINE_LENGTH ? line : words.join(' \\\n  ')
  })
}

function sample({ example, schema }: Parameter): string {
  return encodeURIComponent(String(example ?? schema.enum?.[0] ?? ''))
}

/** Quotes a text for a shell. Between single quotes every character except the single quote stands for itself. */
function quoted(text: string): string {
  return /^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
