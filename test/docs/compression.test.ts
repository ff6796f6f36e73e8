import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { spawn } from '../support/children.js'
import { openGateway } from '../support/gateway.js'
import { freePort, root } from '../support/process.js'
import { exchange, field } from '../support/raw.js'

/** What the guide says that nginx needs. */
const needed = /```nginx\n([^`]*gzip_proxied[^`]*)```/.exec(
  readFileSync(join(root, 'docs/deployment.md'), 'utf8'),
)?.[1]

async function startNginx(binary: string, gzip: string) {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-nginx-'))
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit; events {}
http { access_log off; default_type text/html; ${gzip}
${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')}
server { listen 127.0.0.1:${port}; location / { return 200 "${'a word '.repeat(100)}"; } } }`,
  )
  const child = spawn(binary, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'inherit' })
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(url).catch(() => undefined))) await wait(10)
  return {
    url,
    async stop() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      rmSync(folder, { recursive: true })
    },
  }
}

const binary = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path))

test('nginx behind the gateway compresses by what the guide says, or by VIA=off', {
  skip: !binary,
}, async () => {
  assert.ok(needed)
  for (const [gzip, via, coding] of [
    ['gzip on;', 'on', undefined],
    [needed, 'on', 'gzip'],
    ['gzip on;', 'off', 'gzip'],
  ] as const) {
    const nginx = await startNginx(binary as string, gzip)
    const gateway = await openGateway([nginx.url], { VIA: via })
    const answer = await exchange(
      gateway.url,
      'GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n',
    )
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.equal(field(answer, 'content-encoding'), coding, `${gzip} ${via}`)
    await gateway.close()
    await nginx.stop()
  }
})
