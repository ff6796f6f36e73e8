import type { Call, Parameter } from './document.js'

/** Characters of a line of code on the page. */
const LINE_LENGTH = 110

/** A call as commands for a shell: without what may be left out of its query, and with each of that. */
export function examples(method: string, path: string, call: Call, base: string): string[] {
  const { parameters = [], requestBody, security } = call
  const body = requestBody?.content['application/json']?.example
  const options = [
    ...(method === 'GET' ? [] : [`-X ${method}`]),
    ...(security ? ['-H "Authorization: Bearer $ADMIN_TOKEN"'] : []),
    // One without fields may as well not be there.
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

/** For a shell: everything but a quote is itself between quotes. */
function quoted(text: string): string {
  return /^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
