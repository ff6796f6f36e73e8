import { Command } from 'commander'
import { fileHelp, readFileOf } from './gateway-file.js'
import { terminalJson, terminalText } from './terminal-text.js'

const help = `
Examples:
  leastwise check --config gateway.yaml
  leastwise check --config gateway.yaml --json | jq -r '.pools[]'

It reads the file and the files that it names, and changes nothing. Each mistake
is a line on standard error: FILE:LINE:COLUMN path: message.

${fileHelp}

Exit codes: 0 the file is good; 1 it has mistakes; 2 wrong usage.`

/** Makes the command `leastwise check`. */
export function checkCommand(): Command {
  return new Command('check')
    .description('check the file of a gateway, and change nothing')
    .option('--config <file>', 'the file')
    .option('--json', 'print JSON, for programs')
    .addHelpText('after', help)
    .action(async (options: { config?: string; json?: boolean }) => {
      const { file, config } = await readFileOf(options.config)
      const pools = config.pools.map(({ name }) => name)
      const routes = config.routes?.map(({ name }) => name) ?? []
      const listen = config.listen.map(({ host, port }) => `${host}:${port}`)
      const count = (names: string[], what: string) =>
        `${names.length} ${what}${names.length === 1 ? '' : 's'}`
      const text = `${file} is good: ${count(listen, 'listener')}, ${count(pools, 'pool')}, ${count(routes, 'route')}`
      process.stdout.write(
        `${options.json ? terminalJson({ file, listen, pools, routes }) : terminalText(text)}\n`,
      )
    })
}
