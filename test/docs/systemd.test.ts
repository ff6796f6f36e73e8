import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { parse as parseEnv } from 'dotenv'
import { answering } from '../support/backend.js'
import { spawn } from '../support/children.js'
import { call } from '../support/client.js'
import { fencesOf } from '../support/markdown.js'
import { freePort, gather, root, startGateway } from '../support/process.js'

const GUIDE = 'docs/guides/systemd.md'
const unit = readFileSync(join(root, 'docs/deploy/leastwise.service'), 'utf8')

/** Programs that change more than files, and what is done here in their place. The folder for all files is \$ROOT. */
const standIns = {
  sudo: 'exec "$@"',
  npm: `[ "$*" = "install --global --prefix $ROOT/usr/local ./leastwise-0.1.0.tgz" ] || exit 1
mkdir -p "$ROOT/usr/local/bin" "$ROOT/usr/local/lib/node_modules"
ln -s '${root}' "$ROOT/usr/local/lib/node_modules/leastwise"
printf '#!/bin/sh\\nexec node "%s" "$@"\\n' '${join(root, 'dist/src/cli/main.js')}' > "$ROOT/usr/local/bin/leastwise"
chmod +x "$ROOT/usr/local/bin/leastwise"`,
  groupadd: 'true',
  usermod: 'true',
  systemctl: 'true',
  sudoedit: 'printf "%s" "$EDITED" >> "$1"',
}

/** A folder that stands for the file system, and a shell that takes it for that. */
function machine(edited: string) {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  const bin = join(folder, 'stand-ins')
  for (const path of [bin, join(folder, 'etc/systemd/system')]) mkdirSync(path, { recursive: true })
  for (const [name, script] of Object.entries(standIns)) {
    writeFileSync(join(bin, name), `#!/bin/sh\nset -e\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const group = spawnSync('id', ['-gn'], { encoding: 'utf8' }).stdout.trim()
  const here = (text: string) =>
    text
      .replaceAll('/etc/', `${folder}/etc/`)
      .replaceAll('/usr/local', `${folder}/usr/local`)
      .replace('-g leastwise-admin', `-g ${group}`)
  const path = [bin, join(folder, 'usr/local/bin'), process.env.PATH].join(delimiter)
  const run = (script: string, cwd = folder) =>
    gather(
      spawn('bash', ['-euo', 'pipefail', '-c', here(script)], {
        cwd,
        env: { PATH: path, HOME: folder, USER: 'me', ROOT: folder, EDITED: edited },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
  return { folder, here, run, path }
}

test('after the steps of the guide the unit can start, and an operator is let in', async (t) => {
  const backend = await answering()
  const adminPort = await freePort()
  const { folder, here, run, path } = machine(`BACKENDS=${backend.url};id=mine\nADMIN_PORT=${adminPort}\n`)
  t.after(() => {
    rmSync(folder, { recursive: true })
    return backend.close()
  })
  const [install, , operate] = fencesOf(GUIDE).filter(({ language }) => language === 'sh')
  assert.ok(install && operate)

  const installed = await run(install.code)
  assert.equal(installed.code, 0, installed.stderr)
  const file = join(folder, 'etc/leastwise/.env')
  assert.equal(statSync(file).mode & 0o777, 0o640, 'the token is for root and the group')
  assert.equal(readFileSync(join(folder, 'etc/systemd/system/leastwise.service'), 'utf8'), unit)

  const directive = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? ''
  assert.equal(here(directive('EnvironmentFile')), file)
  const env = parseEnv(readFileSync(file))
  assert.match(env.ADMIN_TOKEN ?? '', /^[0-9a-f]{64}$/)
  const [command = '', ...args] = here(directive('ExecStart')).split(' ')
  const gateway = await startGateway(
    { ...env, PATH: path, HOST: '127.0.0.1', PORT: '0', STATE_FILE: 'state.json' },
    args,
    folder,
    [command],
  )
  t.after(() => gateway.stop('SIGKILL'))
  assert.equal((await call(gateway.url)).status, 200)

  const operated = await run(operate.code)
  assert.equal(operated.code, 0, operated.stderr)
  assert.match(operated.stdout, /^mine +http/m)
  const stranger = await run(`ADMIN_PORT=${adminPort} leastwise backends list`)
  assert.equal(stranger.code, 1)
  assert.match(stranger.stderr, /LEASTWISE_UNAUTHORIZED/)
})
