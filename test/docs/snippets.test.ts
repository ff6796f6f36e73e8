import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { callJson } from '../support/client.js'
import { compile, consumer } from '../support/consumer.js'
import { DocsFixture, runToEnd, TOKEN } from '../support/docs-fixture.js'
import { documents, type Fence, fencesOf } from '../support/markdown.js'
import { root } from '../support/process.js'
import { type Program, packagesOf, programsOf } from '../support/programs.js'
import { type Ran, shellIn } from '../support/shell.js'

/** Commands that are not run, each with the reason. */
const notRun: [command: RegExp, why: string][] = [
  [/^npm (ci|install|test|run)\b/, 'changes this tree, or is what runs this; a script must be there'],
  [/^leastwise >>/, 'writes where an installed gateway may; the test of rotation does it elsewhere'],
  [
    /^(sudo|sudoedit|ssh|docker|kubectl|systemctl|journalctl)\b/,
    'needs a machine, a daemon or a cluster of its own',
  ],
  [/^jq .* redis-cli /, 'needs jq and redis-cli; test/integration/redis-migration.test.ts does the same'],
  [/^cd \/etc\//, 'is for a machine where it is installed; another test runs it'],
]

/** Commands that serve until they are told to stop. */
const serving = /^((?:[A-Z_]+=\S+ +)*)(?:npm start|(?:npx )?leastwise(?: serve)?)$/

/** What commands are run with. */
const missing = ['bash', 'curl'].find((command) => spawnSync(command, ['--version']).error)

const languages = [
  'ts',
  'sh',
  'json',
  'ini',
  'yaml',
  'dockerfile',
  'diff',
  'promql',
  'nginx',
  'logrotate',
  'caddyfile',
  'haproxy',
]

test('documents show nothing that no test knows', () => {
  for (const document of documents) {
    for (const { language, line } of fencesOf(document)) {
      assert.ok(languages.includes(language), `${document}:${line} is in ${language}`)
    }
  }
})

describe('what documents show works, in order', { concurrency: true }, async () => {
  const programs = documents.flatMap(programsOf)
  const folder = await consumer(packagesOf(programs))
  after(() => rm(folder, { recursive: true }))
  const stands = new Map<string, DocsFixture>()
  for (const document of documents) {
    const hasStore = readFileSync(join(root, document), 'utf8').includes('redis://10.0.0.9:6379')
    const stand = await new DocsFixture().open(hasStore)
    stands.set(document, stand)
    const own = join(folder, folderOf(document))
    mkdirSync(own, { recursive: true })
    symlinkSync(join(root, 'docs/deploy'), join(own, 'deploy'))
    for (const { name, code } of programsOf(document))
      writeFileSync(join(own, `${name}.ts`), stand.live(code))
  }
  const compiled = compile(folder)

  test('the TypeScript compiles for a strict user', async () => {
    assert.equal(await compiled, '')
  })

  for (const document of documents) {
    test(document, { skip: missing !== undefined && `${missing} is not installed` }, async (t) => {
      await compiled
      const stand = stands.get(document) as DocsFixture
      t.after(() => stand.close())
      const own = join(folder, folderOf(document))
      const shell = shellIn(own)
      const file = ({ name }: Program) => join(folder, 'out', folderOf(document), `${name}.js`)
      const ending = programsOf(document).filter((program) => !program.serves)
      if (ending.length > 0) await runToEnd(ending, file, own)
      for (const step of steps(document)) {
        if ('serves' in step) await stand.serve(step, file(step))
        else if (step.language === 'sh') await commands(step, stand, shell)
        else await shown(step, stand)
      }
    })
  }
})

function folderOf(document: string): string {
  return document.replaceAll('/', '-').replace('.md', '')
}

/** Programs that serve and commands of a document, in their order. */
function steps(document: string) {
  const fences = fencesOf(document).filter(
    ({ language, info, code }) =>
      (language === 'sh' && !code.startsWith('#!')) || (language === 'json' && info),
  )
  return [...fences, ...programsOf(document).filter(({ serves }) => serves)].sort((a, b) => a.line - b.line)
}

/** Runs commands, each of which must succeed, and be answered with the status that its comment says. */
async function commands(
  { document, line, code }: Fence,
  stand: DocsFixture,
  shell: (script: string, env: Record<string, string>) => Promise<Ran>,
): Promise<void> {
  for (const command of code.replaceAll('\\\n', '').split('\n')) {
    const [text = '', comment = ''] = command.split(/ +# /)
    if (text === '') continue
    const where = `${document}, after line ${line}: ${text}`
    if (notRun.some(([pattern]) => pattern.test(text))) {
      for (const [, script = ''] of text.matchAll(/npm run ([\w:-]+)/g)) assert.ok(scripts.has(script), where)
      continue
    }
    const served = serving.exec(text)
    if (served) {
      const pairs = (served[1] as string).trim().split(/ +/).filter(Boolean)
      await stand.serveGateway(Object.fromEntries(pairs.map((pair) => stand.live(pair).split(/=(.*)/s, 2))))
      continue
    }
    // What goes on until somebody has seen enough is looked at once.
    const once = text.replace(/\bleastwise top$/, '$& --once')
    const {
      code: exit,
      output,
      statuses,
    } = await shell(stand.live(once), {
      ADMIN_TOKEN: TOKEN,
      LEASTWISE_URL: stand.admin,
    })
    assert.equal(exit, 0, `${where}\n${output}`)
    if (!text.startsWith('curl')) continue
    const wanted = /^\d{3}\b/.exec(comment)?.[0] ?? '2..'
    assert.match(String(statuses), new RegExp(`^${wanted}$`), `${where}\n${output}`)
  }
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const scripts = new Set(Object.keys(manifest.scripts))

/** JSON that names a call has the fields of its answer; that which names the log, those of a request's line. */
async function shown({ document, line: at, info, code }: Fence, stand: DocsFixture): Promise<void> {
  const where = `${document}, after line ${at}: ${info}`
  const told = JSON.parse(code)
  if (info === 'log') {
    const logged = await stand.requestLine()
    assert.ok(logged, `${where}: a gateway serves`)
    // Of which process a line is goes without saying.
    const { pid: _pid, hostname: _hostname, ...line } = logged
    assert.deepEqual(Object.keys(told).sort(), Object.keys(line).sort(), where)
    return
  }
  const [method = '', path = ''] = info.split(' ')
  const { json } = await callJson(method, stand.admin + path, undefined, { authorization: `Bearer ${TOKEN}` })
  assert.deepEqual(fields(told), fields(json), where)
}

function fields(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(fields)
  if (typeof value !== 'object' || value === null) return ''
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, fields(inner)]))
}
