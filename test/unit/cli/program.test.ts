import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Command } from 'commander'
import { Failure } from '../../../src/cli/failure.js'
import { program } from '../../../src/cli/program.js'
import { settingNames, variable } from '../../../src/config/settings.js'
import { root } from '../../support/process.js'

const wrong: [line: string, message: RegExp][] = [
  ['bakends list', /^unknown command 'bakends' \(Did you mean backends\?\); see leastwise --help$/],
  ['--url http://a', /unknown option '--url'; see leastwise --help$/],
  ['serve now', /too many arguments/],
  ['serve --port 1', /unknown option '--port'/],
  ['backends', /^a command is missing; see leastwise backends --help$/],
  ['backends lst', /^unknown command 'lst' \(Did you mean list\?\); see leastwise backends --help$/],
  ['backends list a', /too many arguments/],
  ['backends list --jsn', /^unknown option '--jsn' .*; see leastwise backends list --help$/],
  ['backends list --token secret', /^unknown option '--token'/],
  ['backends list --url', /^option '--url <url>' argument missing/],
  ['backends list --url localhost:3001', /^--url does not accept "localhost:3001": it must start with http/],
  ['backends list --url http://', /^--url does not accept "http:\/\/": it is not a URL/],
  ['backends list --url http://a:b@c', /^--url .*ADMIN_TOKEN or --token-file/],
  ['backends list --url http://a/?b', /^--url .*nothing else/],
  ['backends list --token-file /nowhere/at/all', /^--token-file "\/nowhere\/at\/all" cannot be read: ENOENT/],
  ['backends list --token-file package.json', /^--token-file "package.json" has no token/],
  ['backends list --request-timeout 0', /It takes a whole number from 1 to/],
  ['backends add', /^missing required argument 'url'/],
  [
    'backends add http://a --weight 0',
    /'0' is invalid. It takes a whole number from 1 to 1000. .* leastwise backends drain/,
  ],
  ['backends add http://a --weight 1e1', /from 1 to 1000/],
  ['backends add http://a --max-connections 1000001', /from 0 to 1000000/],
  ['backends add http://a --host-header both', /Allowed choices are client, backend/],
  ['backends update a', /^backends update takes one or more of --weight, .* and --health-host$/],
  ['backends update a --health-port 0', /from 1 to 65535/],
  ['backends update a --reject-unauthorized off', /It takes true, false or default/],
  ['backends update --weight 2', /missing required argument 'id'/],
  ['backends update .. --weight 2', /'..' is invalid for argument 'id'/],
  ['backends drain a/b', /'a\/b' is invalid for argument 'id'/],
  ['backends drain a --timeout soon', /from 0 to 999999999/],
  ['backends activate a b', /too many arguments/],
  ['backends activate a --timeout soon', /from 0 to 999999999/],
  ['backends remove a --force --timeout 5', /'--force' cannot be used with option '--timeout <ms>'/],
  ['policy fastest', /Allowed choices are least-connections, .*; see leastwise policy --help$/],
  ['policy --pool ..', /'..' is invalid. It takes the name of a pool/],
  ['pools --pool a', /unknown option '--pool'/],
  ['explain', /^required option '--path <path>' not specified; see leastwise explain --help$/],
  ['explain --path users', /'users' is invalid. It takes a path that begins with a slash/],
  ['explain --path / --method G(T', /It takes a method, such as GET/],
  ['explain --path / --header x-a', /It takes a field, as 'NAME: VALUE'/],
  ['explain --path / --header x(a:1', /It takes a field, as 'NAME: VALUE'/],
  ['reload now', /too many arguments/],
  ['routes --pool a', /unknown option '--pool'/],
  ['top --sort name', /Allowed choices are in-flight, id/],
]

test('wrong usage is told in one line, with exit code 2', async () => {
  process.chdir(root)
  for (const [line, message] of wrong) {
    await assert.rejects(program().parseAsync(line.split(' '), { from: 'user' }), (error: unknown) => {
      assert.ok(error instanceof Failure, `${line}: ${error}`)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /\n|error:/)
      assert.equal(error.exitCode, 2)
      return true
    })
  }
})

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80 }).outputHelp()
  return text
}

test('the help of each command has its options, examples, and what else there is to know', () => {
  const { commands } = program()
  assert.deepEqual(
    commands.map((command) => command.name()),
    [
      'serve',
      'check',
      'schema',
      'diff',
      'backends',
      'policy',
      'pools',
      'gateways',
      'routes',
      'explain',
      'reload',
      'top',
    ],
  )
  const [serve, check, schema, diff, backends, ...others] = commands as [
    ...[Command, Command, Command, Command, Command],
    ...Command[],
  ]
  for (const command of [diff, ...backends.commands, ...others]) {
    const help = helpOf(command)
    for (const part of ['--json', '--url', 'LEASTWISE_URL', '--token-file', 'ADMIN_TOKEN', 'Exit codes:'])
      assert.ok(help.includes(part), help)
    assert.match(help, new RegExp(`Examples?:\n {2}leastwise (backends )?${command.name()}\\b`))
    for (const line of help.split('\n')) assert.ok(line.length <= 80, line)
  }
  // These call no gateway.
  for (const command of [check, schema]) {
    const help = helpOf(command)
    assert.match(help, new RegExp(`Examples?:\n {2}leastwise ${command.name()}\\b`))
    for (const line of help.split('\n')) assert.ok(line.length <= 80, line)
  }
  const help = helpOf(serve)
  for (const name of settingNames) assert.ok(help.includes(`\n${variable(name)}=`), name)
})

test('the command of the package is there, and can be run', () => {
  const { bin, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.match(readFileSync(join(root, bin.leastwise), 'utf8'), /^#!\/usr\/bin\/env node\n/)
  // What it reads of the package.
  for (const file of ['.env.example', 'dist/src']) assert.ok(files.includes(file))
})
