import { type Command, InvalidArgumentError } from 'commander'
import type { RequestExplanation } from '../admin/contract/request-explanation.js'
import { type AdminOptions, adminCommand, clientOf, print } from './admin-command.js'
import { readRequestExplanation } from './gateway-responses.js'
import { type Column, table } from './table.js'

interface ExplainOptions extends AdminOptions {
  method?: string
  host?: string
  path: string
  header?: Record<string, string>
  client?: string
}

const examples = `Examples:
  leastwise explain --host api.example.com --path /users/7
  leastwise explain --path '/search?q=a' --method POST --header 'x-version: 2'
  leastwise explain --path / --client 10.0.0.7 --json | jq .route

It says which route takes such a request, and why others do not; what the
route's plugins do; and which backend would get it, or what the client is
answered. It is a dry run: no request is sent, nothing is counted, and no later
choice is changed. Values of --header are seen by whoever lists the processes of
this machine (ps); a credential in them is checked, and not printed. With --json
it prints what POST /routes/explain answers.`

/** Makes the command `leastwise explain`. */
export function explainCommand(): Command {
  return adminCommand('explain', 'say what would become of a request, and why', examples)
    .requiredOption('--path <path>', 'path of the request, with its query', readPath)
    .option('--host <host>', 'host that the request names')
    .option('--method <method>', 'its method; GET if not given', readMethod)
    .option('--header <field>', "a header field, 'NAME: VALUE'; may be given several times", readHeader)
    .option('--client <address>', 'address of the client; 127.0.0.1 if not given')
    .action(async (options: ExplainOptions) => {
      const { method, host, path, header: headers, client } = options
      const explanation = await clientOf(options).call('POST', '/routes/explain', {
        read: readRequestExplanation,
        body: { method, host, path, headers, client },
      })
      print(options, explanation, linesOf(explanation).join('\n'))
    })
}

type Step = RequestExplanation['steps'][number]

const stepColumns: Column<Step>[] = [
  { head: 'step', text: ({ step }) => step },
  {
    head: 'goes on',
    text: ({ passes }) => (passes ? 'yes' : 'no'),
    style: ({ passes }) => (passes ? undefined : 'yellow'),
  },
  { head: 'why', text: ({ reason }) => reason },
]

/** Returns an explanation for people. */
function linesOf({ outcome, why, candidates, steps, answer, forward }: RequestExplanation): string[] {
  const lines = [`${outcome}: ${why}`]
  if (answer) {
    const { statusCode, code, location } = answer
    lines.push(
      `the client gets ${[statusCode, code, location].filter((part) => part !== null && part !== '').join(' ')}`,
    )
  }
  for (const { route, taken, reason } of candidates)
    lines.push(taken ? `route ${route}: ${reason}` : `not route ${route}: ${reason}`)
  if (steps.length > 0) lines.push(...table(stepColumns, steps))
  if (forward) lines.push(...forwardLines(forward))
  return lines
}

function forwardLines(forward: NonNullable<RequestExplanation['forward']>): string[] {
  const { pool, pools, path, headers, affinity, explanation } = forward
  const lines = pools.length > 1 ? [`pools: ${pools.map(share).join(', ')}`] : []
  lines.push(`the backend sees ${path}`)
  for (const [verb, names] of [
    ['sets', headers.set],
    ['adds', headers.add],
    ['removes', headers.remove],
  ] as const)
    if (names.length > 0) lines.push(`the route ${verb} ${names.join(', ')}`)
  if (affinity !== null) lines.push(`affinity by ${affinity}`)
  const { backend, why, error } = explanation
  lines.push(
    backend === null ? `pool ${pool}: ${error?.code ?? 'no backend'}` : `pool ${pool}: backend ${backend}`,
  )
  lines.push(`  ${why}`)
  return lines
}

function share({ pool, probability }: { pool: string; probability: number }): string {
  return `${pool} ${(100 * probability).toFixed(0)}%`
}

function readPath(text: string): string {
  if (text.startsWith('/')) return text
  throw new InvalidArgumentError('It takes a path that begins with a slash.')
}

function readMethod(text: string): string {
  if (/^[A-Za-z-]{1,32}$/.test(text)) return text.toUpperCase()
  throw new InvalidArgumentError('It takes a method, such as GET.')
}

/** Adds a header field to those that were given before; several values of a name become one list. */
function readHeader(text: string, fields: Record<string, string> = {}): Record<string, string> {
  const [, name, value = ''] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*?)\s*$/.exec(text) ?? []
  if (name === undefined) throw new InvalidArgumentError("It takes a field, as 'NAME: VALUE'.")
  const key = name.toLowerCase()
  const before = Object.hasOwn(fields, key) ? fields[key] : undefined
  const joint = key === 'cookie' ? '; ' : ', '
  return { ...fields, [key]: before === undefined ? value : `${before}${joint}${value}` }
}
