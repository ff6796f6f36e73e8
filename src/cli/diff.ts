import type { Command } from 'commander'
import type { ConfigView } from '../config/file/config-view.js'
import { type AdminOptions, adminCommand, clientOf, print } from './admin-command.js'
import { diffLines } from './diff-text.js'
import { Failure } from './failure.js'
import { fileHelp, readFileOf } from './gateway-file.js'
import { check } from './responses.js'
import { terminalText } from './terminal-text.js'

const examples = `Examples:
  leastwise diff --config gateway.yaml
  leastwise diff --config new.yaml --with old.yaml

It prints what the file would change: + added, ~ changed, - removed. It compares
with the configuration that the gateway runs from, or with the file of --with.
Below what is changed are its fields, and a pool's backends.
Secrets are not compared.

${fileHelp}

Exit code 1 also if there are differences, and 0 only if there are none.`

interface DiffOptions extends AdminOptions {
  config?: string
  with?: string
}

/** Makes the command `leastwise diff`. */
export function diffCommand(): Command {
  return adminCommand('diff', "print what a gateway's file would change", examples)
    .option('--config <file>', 'the file')
    .option('--with <file>', 'compare with another file, and not with what runs')
    .action(async (options: DiffOptions) => {
      const after = await viewOf(options.config)
      const before =
        options.with === undefined
          ? await clientOf(options).call('GET', '/config', { read: readView })
          : await viewOf(options.with)
      const { viewDifferences } = await import('../config/file/differences.js')
      // Values that JSON has no text for are missing in what the gateway answers.
      const changes = viewDifferences(before, after)
      const lines = diffLines(changes, before, after).map(terminalText)
      print(options, { changes }, lines.length === 0 ? 'nothing would change' : lines.join('\n'))
      if (changes.length > 0) process.exitCode = 1
    })
}

/** What a file says, in the form that the API answers: fields without a value are missing. */
async function viewOf(file: string | undefined): Promise<ConfigView> {
  const { config, document } = await readFileOf(file)
  const { configView } = await import('../config/file/config-view.js')
  return JSON.parse(JSON.stringify(configView(config, document))) as ConfigView
}

function readView(document: unknown): ConfigView {
  const view = check<ConfigView>(document, 'the answer', { listen: 'object', pools: 'object' })
  if (!Array.isArray(view.listen)) throw new Failure('unreachable', 'the answer has no list of listeners')
  return view
}
