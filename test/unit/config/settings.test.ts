import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'dotenv'
import { defaults } from '../../../src/balancer/options.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { parseConfig } from '../../../src/config/environment.js'
import { SettingError } from '../../../src/config/setting-error.js'
import type { Setting } from '../../../src/config/settings/setting.js'
import { accept, poolSettingNames, settingNames, settings, variable } from '../../../src/config/settings.js'
import { generated } from '../../../src/reference/generated.js'
import { root } from '../../support/process.js'

/** For each variable: what it takes, with the value that makes of it, and what it refuses. */
const table: Record<string, { good: [string, unknown][]; bad: string[] }> = {
  CONFIG_FILE: { good: [['gateway.yaml', 'gateway.yaml']], bad: ['a\0b'] },
  HOST: {
    good: [
      ['0.0.0.0', '0.0.0.0'],
      ['::1', '::1'],
      ['gate.example', 'gate.example'],
    ],
    bad: ['a b', '1.2.3', '999.1.1.1', 'a:80', '[::1]', 'http://a', '-_-.1'],
  },
  PORT: {
    good: [
      ['0', 0],
      ['65535', 65535],
    ],
    bad: ['65536', '-1', '1.5', 'x/0', '1e3', '0x50', ' 80', '80 ', 'http', 'off'],
  },
  BACKENDS: {
    good: [
      ['http://10.0.0.1:8080', [{ url: 'http://10.0.0.1:8080' }]],
      [
        'http://10.0.0.1:8080;weight=2;maxConnections=100;id=a, https://b;hostHeader=backend',
        [
          { url: 'http://10.0.0.1:8080', weight: 2, maxConnections: 100, id: 'a' },
          { url: 'https://b', hostHeader: 'backend' },
        ],
      ],
      [
        'http://a;backup=true;healthPort=9000;healthHost=shop.example,http://b;backup=false',
        [
          { url: 'http://a', backup: true, healthPort: 9000, healthHost: 'shop.example' },
          { url: 'http://b', backup: false },
        ],
      ],
      [
        'https://a;ca=ca.pem;cert=/c.pem;key=/k.pem;servername=shop.internal;rejectUnauthorized=false',
        [
          {
            url: 'https://a',
            ca: 'ca.pem',
            cert: '/c.pem',
            key: '/k.pem',
            servername: 'shop.internal',
            rejectUnauthorized: false,
          },
        ],
      ],
    ],
    bad: [
      'a',
      'http://a,',
      ',',
      'http://a/x',
      'http://u:p@a',
      'http://a;weight=0',
      'http://a;weight=1001',
      'http://a;weight=',
      'http://a;weight',
      'http://a;size=1',
      'http://a;id=',
      'http://a;id=x y',
      'http://a;maxConnections=-1',
      'http://a;hostHeader=none',
      'http://a;backup',
      'http://a;backup=1',
      'http://a;healthPort=0',
      'http://a;healthPort=x',
      'http://a;healthHost=',
      'http://a;healthHost=a/b',
      'http://a;ca=/ca.pem',
      'http://a;rejectUnauthorized=true',
      'https://a;ca=',
      'https://a;cert=/c.pem',
      'https://a;key=/k.pem',
      'https://a;servername=10.0.0.1',
      'https://a;servername=a:443',
      'https://a;rejectUnauthorized=off',
      'http://127.0.0.1:80,http://[::ffff:127.0.0.1]:80',
      'http://a;',
      'http://a,http://a',
      'http://a;id=x,http://b;id=x',
    ],
  },
  POLICY: { good: [['round-robin', 'round-robin']], bad: ['random', 'Round-Robin', 'toString'] },
  AFFINITY: {
    good: [
      ['ip', 'ip'],
      ['cookie', 'cookie'],
      ['cookie:shop_session', 'cookie:shop_session'],
      ['header:X-Session', 'header:X-Session'],
    ],
    bad: [
      'on',
      'IP',
      'cookie:',
      'cookie:a b',
      'cookie:a=b',
      'cookie:a;b',
      'header',
      'header:',
      'header:a:b',
      'ip:4',
    ],
  },
  AFFINITY_OVERLOAD: {
    good: [
      ['0', 0],
      ['101', 101],
      ['10000', 10_000],
    ],
    bad: ['1', '100', '-1', '1.25', '125%', '10001'],
  },
  FLEET_COUNTS: { good: [['off', 'off']], bad: ['On', 'maybe'] },
  AFFINITY_DRAIN: { good: [['move', 'move']], bad: ['Keep', 'off'] },
  AFFINITY_SECRET: {
    good: [['0123456789abcdef', '0123456789abcdef']],
    bad: ['0123456789abcde', '0123456789 abcdef', '0123456789abcdefü'],
  },
  ADMIN_HOST: { good: [['localhost', 'localhost']], bad: ['a b', 'localhost:1'] },
  ADMIN_PORT: {
    good: [
      ['off', 'off'],
      ['0', 0],
    ],
    bad: ['OFF', 'no', '65536'],
  },
  ADMIN_TOKEN: { good: [['s3cret!', 's3cret!']], bad: ['two words', 'tab\t', 'ümlaut'] },
  UPSTREAM_KEEP_ALIVE: {
    good: [
      ['0', 0],
      ['60000', 60_000],
    ],
    bad: ['-1', '4s', '2147483648'],
  },
  MAX_CONNECTION_AGE: {
    good: [
      ['0', 0],
      ['60000', 60_000],
    ],
    bad: ['-1', '5m', '2147483648'],
  },
  UPSTREAM_CA: { good: [['/etc/ca.pem', '/etc/ca.pem']], bad: ['a\0b'] },
  UPSTREAM_CERT: { good: [], bad: ['a\0b', '/etc/cert.pem'] },
  UPSTREAM_KEY: { good: [], bad: ['a\0b', '/etc/key.pem'] },
  UPSTREAM_SERVERNAME: {
    good: [['shop.internal', 'shop.internal']],
    bad: ['10.0.0.1', '::1', 'a:443', 'a b', 'a..b', '*.internal', 'x'.repeat(254)],
  },
  UPSTREAM_REJECT_UNAUTHORIZED: {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['off', '0', 'False'],
  },
  STATE_FILE: { good: [['/var/lib/x.json', '/var/lib/x.json']], bad: ['a\0b'] },
  STORE: {
    good: [
      ['redis://10.0.0.9:6379', 'redis://10.0.0.9:6379'],
      ['rediss://user:secret@store.internal/2', 'rediss://user:secret@store.internal/2'],
    ],
    bad: ['10.0.0.9:6379', 'http://10.0.0.9', 'redis://', 'redis://a b'],
  },
  GATEWAY_ID: { good: [['edge-1.eu', 'edge-1.eu']], bad: ['a b', 'a/b', 'x'.repeat(65)] },
  HEALTH_PATH: {
    good: [['/healthz?full=1', '/healthz?full=1']],
    bad: ['healthz', '/a b', '/a#b', 'http://a/'],
  },
  HEALTH_PORT: {
    good: [
      ['0', 0],
      ['9000', 9000],
    ],
    bad: ['65536', '-1', 'http'],
  },
  HEALTH_HOST: {
    good: [
      ['shop.example', 'shop.example'],
      ['[::1]:8080', '[::1]:8080'],
    ],
    bad: ['a b', 'http://a', 'a/b', 'a:port', 'a@b'],
  },
  HEALTH_INITIAL: { good: [['usable', 'usable']], bad: ['unusable', 'no', 'true'] },
  HEALTH_INTERVAL: { good: [['1', 1]], bad: ['0', '-1', '2s', '2147483648'] },
  HEALTH_TIMEOUT: { good: [['1', 1]], bad: ['0', 'x'] },
  HEALTH_STATUS: {
    good: [['200-299,401', '200-299,401']],
    bad: ['199', '600', '300-200', '2xx', '200,', '200-', 'ok'],
  },
  HEALTH_RISE: { good: [['1', 1]], bad: ['0', 'x'] },
  HEALTH_FALL: { good: [['1', 1]], bad: ['0', 'x'] },
  EJECT_CONSECUTIVE: { good: [['1', 1]], bad: ['0', 'x'] },
  EJECT_BASE: { good: [['1', 1]], bad: ['0', 'x'] },
  EJECT_MAX: { good: [['10000', 10_000]], bad: ['0', 'x', '9999'] },
  EJECT_MAX_PERCENT: { good: [['100', 100]], bad: ['101', '-1', '50%'] },
  FAILURE_DECAY: { good: [['0', 0]], bad: ['-1', 'x'] },
  PANIC: { good: [['unhealthy', 'unhealthy']], bad: ['on', 'Off'] },
  PANIC_THRESHOLD: { good: [['100', 100]], bad: ['101', 'x'] },
  MAX_CONNECTIONS: { good: [['0', 0]], bad: ['-1', '1000001', 'none'] },
  QUEUE_LIMIT: { good: [['0', 0]], bad: ['-1', 'x'] },
  QUEUE_TIMEOUT: { good: [['0', 0]], bad: ['-1', 'x'] },
  TUNNEL_WEIGHT: {
    good: [
      ['0', 0],
      ['100', 100],
    ],
    bad: ['101', '-1', '0.5', 'x'],
  },
  SLOW_START: { good: [['0', 0]], bad: ['-1', 'x'] },
  CONNECT_TIMEOUT: { good: [['1', 1]], bad: ['0', 'x'] },
  RESPONSE_TIMEOUT: { good: [['0', 0]], bad: ['-1', 'x'] },
  BODY_TIMEOUT: { good: [['0', 0]], bad: ['-1', 'x'] },
  HEDGE: {
    good: [
      ['off', 'off'],
      ['p95', 'p95'],
      ['50', 50],
    ],
    bad: ['0', 'p99', 'on'],
  },
  HEDGE_BUDGET: { good: [['0', 0]], bad: ['101', 'x'] },
  RETRIES: { good: [['0', 0]], bad: ['-1', '101'] },
  FAILURE_STATUS: {
    good: [
      ['502-504', '502-504'],
      ['429,500-599', '429,500-599'],
      ['off', 'off'],
    ],
    bad: ['5xx', '200', '302-504', '600', '504-502', 'off,500'],
  },
  RETRY_STATUS: {
    good: [
      ['502-504', '502-504'],
      ['429,500-599', '429,500-599'],
    ],
    bad: ['5xx', '200', '302-504', '600', '504-502'],
  },
  RETRY_BUDGET: { good: [['100', 100]], bad: ['101', 'x'] },
  DRAIN_TIMEOUT: { good: [['0', 0]], bad: ['-1', 'x'] },
  SHUTDOWN_DELAY: { good: [['5000', 5000]], bad: ['-1', 'x', '5s'] },
  SHUTDOWN_TIMEOUT: { good: [['0', 0]], bad: ['-1', 'x'] },
  MAX_EVENT_LOOP_DELAY: { good: [['0', 0]], bad: ['-1', 'x'] },
  MAX_HEAP_BYTES: { good: [['4000000000', 4e9]], bad: ['-1', '1GB', '99999999999999999'] },
  HOST_HEADER: { good: [['backend', 'backend']], bad: ['none', 'Client'] },
  HEADERS_TIMEOUT: { good: [['1', 1]], bad: ['0', 'x'] },
  KEEP_ALIVE_TIMEOUT: { good: [['1', 1]], bad: ['0', 'x'] },
  MAX_BODY: { good: [['0', 0]], bad: ['-1', '1MB'] },
  REQUEST_BUFFER: { good: [['65536', 65_536]], bad: ['-1', '64k', '1073741825'] },
  MAX_RESPONSE_HEADERS: { good: [['1024', 1024]], bad: ['1023', '16777217', '64k'] },
  TRUST_PROXY: {
    good: [
      ['true', true],
      ['false', false],
      ['0', 0],
      ['2', 2],
      ['10.0.0.1', '10.0.0.1'],
      ['0.0.0.0/0,::/0', '0.0.0.0/0,::/0'],
      ['10.0.0.0/8, ::1', '10.0.0.0/8, ::1'],
      ['loopback,192.168.0.0/255.255.0.0,fc00::/7', 'loopback,192.168.0.0/255.255.0.0,fc00::/7'],
    ],
    bad: [
      'yes',
      '101',
      '-1',
      '1.5',
      'True',
      '10.0.0.0/33',
      '::1/129',
      '10.0.0.1,',
      ',',
      'proxy.internal',
      '10.0.0.1:80',
    ],
  },
  UNDERSCORE_HEADERS: { good: [['pass', 'pass']], bad: ['on', 'Drop'] },
  VIA: { good: [['off', 'off']], bad: ['false', 'Off'] },
  WORKERS: {
    good: [
      ['1', 1],
      ['256', 256],
      ['auto', 'auto'],
    ],
    bad: ['0', '257', '-1', '1.5', '2x', 'Auto', 'max'],
  },
  LOG_LEVEL: { good: [['silent', 'silent']], bad: ['verbose', 'INFO'] },
  LOG_FORMAT: { good: [['pretty', 'pretty']], bad: ['text', 'JSON'] },
}

test('every variable has its cases here', () => {
  assert.deepEqual(Object.keys(table).sort(), settingNames.map(variable).sort())
})

describe('values', () => {
  for (const name of settingNames) {
    const { good, bad } = table[variable(name)] as (typeof table)[string]
    test(variable(name), () => {
      for (const [text, value] of good) {
        assert.deepEqual(parseConfig({ [variable(name)]: text })[name], value, text)
      }
      for (const text of bad) {
        assert.throws(
          () => parseConfig({ [variable(name)]: text }),
          (error) => {
            assert.ok(error instanceof SettingError)
            assert.ok(error.message.startsWith(`${variable(name)} `), error.message)
            assert.ok(!error.message.includes('\n'), 'one line')
            return true
          },
          JSON.stringify(text),
        )
      }
      assert.deepEqual(parseConfig({ [variable(name)]: '' })[name], settings[name].default, 'empty')
    })
  }
})

test('a message names the variable, the value and what is accepted', () => {
  const message = (env: Record<string, string>) => {
    try {
      parseConfig(env)
    } catch (error) {
      return (error as Error).message
    }
    return undefined
  }
  assert.equal(
    message({ PORT: '70000' }),
    'PORT does not accept "70000": it takes a whole number from 0 to 65535',
  )
  assert.equal(
    message({ POLICY: 'x' }),
    `POLICY does not accept "x": it takes one of ${policyNames.join(', ')}`,
  )
})

test('a message names the entry of BACKENDS that is wrong, and says what it is', () => {
  for (const [text, entry, why] of [
    ['http://a,', 'entry 2 of 2, ""', 'it is empty: there is a comma too many at the end'],
    [',http://a', 'entry 1 of 2, ""', 'it is empty: there is a comma too many'],
    ['http://a,,http://b', 'entry 2 of 3, ""', 'it is empty: there is a comma too many'],
    ['http://a http://b', 'entry 1 of 1, "http://a http://b"', 'by commas, not by blanks or new lines'],
    ['http://a\nhttp://b', 'entry 1 of 1, ', 'by commas, not by blanks or new lines'],
    ['10.0.0.1:80 10.0.0.2:80', 'entry 1 of 1, ', 'by commas, not by blanks or new lines'],
    ['http://a;http://b', 'entry 1 of 1, "http://a;http://b"', 'by commas, not by semicolons'],
    ['http://a, b.example:80', 'entry 2 of 2, "b.example:80"', 'http://b.example:80 was probably meant'],
    ['[::1]:80', 'entry 1 of 1, "[::1]:80"', 'http://[::1]:80 was probably meant'],
    ['localhost', 'entry 1 of 1, "localhost"', 'it has no scheme: http://localhost was probably meant'],
    [
      'http://a,ftp://b',
      'entry 2 of 2, "ftp://b"',
      'url must start with http:// or https://, or with unix:/',
    ],
    ['http://a,/run/b.sock', 'entry 2 of 2, "/run/b.sock"', 'unix:/run/b.sock was probably meant'],
    ['unix:/a,unix:b', 'entry 2 of 2, "unix:b"', 'url must have an absolute path after unix:'],
    ['unix://a/b', 'entry 1 of 1, "unix://a/b"', 'url must be unix:/path with one slash'],
    [`unix:/${'a'.repeat(107)}`, 'entry 1 of 1, ', 'a Unix socket has at most 107'],
    ['unix:@', 'entry 1 of 1, "unix:@"', 'url must have a name after unix:@'],
    ['unix:/a;unix:/b', 'entry 1 of 1, "unix:/a;unix:/b"', 'by commas, not by semicolons'],
    ['unix:/a unix:/b', 'entry 1 of 1, "unix:/a unix:/b"', 'by commas, not by blanks or new lines'],
    ['[unix:/a]', 'entry 1 of 1, "[unix:/a]"', 'a list has no brackets here'],
    ['unix:/a,unix:/%61', 'entry 2 of 2, "unix:/%61"', 'one before it has that url or id'],
    ['unix:/a;healthPort=1', 'entry 1 of 1, "unix:/a;healthPort=1"', 'healthPort is not for a Unix socket'],
    ['http://a,http://b/x', 'entry 2 of 2, "http://b/x"', 'url must not have a path'],
    ['http://a,http://b;wieght=2', 'entry 2 of 2, ', '"wieght" is not known: weight was probably meant'],
    ['http://a;size=2', 'entry 1 of 1, "http://a;size=2"', '"size" is not known'],
    ['http://a;weight', 'entry 1 of 1, "http://a;weight"', 'weight has no value: weight=…'],
    ['http://a;', 'entry 1 of 1, "http://a;"', 'there is a semicolon too many'],
    ['http://a ;weight=2', 'entry 1 of 1, ', 'it has a blank or a new line in it'],
    ['http://a,http://b,http://a', 'entry 3 of 3, "http://a"', 'one before it has that url or id'],
    ['http://a;id=x,http://b;id=x', 'entry 2 of 2, "http://b;id=x"', 'one before it has that url or id'],
    ['http://a,http://b;weight=0', 'entry 2 of 2, ', 'weight must be a whole number from 1 to 1000'],
    ['"http://a,http://b"', 'entry 1 of 2, ', 'begins with a quotation mark'],
    ['["http://a"]', 'entry 1 of 1, ', 'a list has no brackets here'],
    ['http://a,http://u:p@b:80', 'entry 2 of 2, "http://***@b:80"', 'url must not have credentials'],
  ] as const) {
    assert.throws(
      () => parseConfig({ BACKENDS: text }),
      ({ message }: Error) => {
        assert.ok(message.startsWith(`BACKENDS does not accept ${entry}`), message)
        assert.ok(message.includes(`${why}`), message)
        assert.match(message, /: it takes a list like /)
        return true
      },
    )
  }
})

test('what Kubernetes says of a Service of that name is told from a mistake', () => {
  assert.throws(() => parseConfig({ ADMIN_PORT: 'tcp://10.0.0.1:80' }), {
    message: /^ADMIN_PORT does not accept "tcp:\/\/10\.0\.0\.1:80" \(Kubernetes .*enableServiceLinks/,
  })
})

test('no message repeats a secret', () => {
  for (const env of [
    { ADMIN_TOKEN: 'hush hush' },
    { BACKENDS: 'http://user:hush@a' },
    { BACKENDS: 'http://a,http://user:a/hush b@hush@b;x' },
    { BACKENDS: 'http://a,user:hush@b:80' },
    { BACKENDS: 'http://user:hush,hush@b:80' },
    { BACKENDS: 'user:hush,hush,hush@b:80' },
  ]) {
    assert.throws(
      () => parseConfig(env),
      (error: Error) => !error.message.includes('hush'),
    )
  }
})

test('a message is one line, whatever the value', () => {
  for (const text of ['http://a;x\ny', 'http://a;id=\u2028', '\r\n']) {
    assert.throws(
      () => parseConfig({ BACKENDS: text }),
      (error: Error) => !/[\r\n\u2028]/.test(error.message),
    )
  }
})

test('an admin listener that others can reach needs a token', () => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'gate.example']) {
    assert.throws(() => parseConfig({ ADMIN_HOST: host }), { setting: 'ADMIN_TOKEN' })
    parseConfig({ ADMIN_HOST: host, ADMIN_TOKEN: 'x' })
    parseConfig({ ADMIN_HOST: host, ADMIN_PORT: 'off' })
  }
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1']) {
    parseConfig({ ADMIN_HOST: host })
  }
})

test('a certificate comes with its key', () => {
  const pair = { UPSTREAM_CERT: '/c.pem', UPSTREAM_KEY: '/k.pem' }
  const { upstreamCert, upstreamKey } = parseConfig(pair)
  assert.deepEqual([upstreamCert, upstreamKey], ['/c.pem', '/k.pem'])
  assert.throws(() => parseConfig({ UPSTREAM_CERT: '/c.pem' }), {
    message:
      'UPSTREAM_CERT does not accept "/c.pem": UPSTREAM_KEY is empty, and a certificate comes with its private key',
  })
})

test('both listeners on one port are refused', () => {
  assert.throws(() => parseConfig({ PORT: '3001' }), { setting: 'ADMIN_PORT' })
  parseConfig({ PORT: '0', ADMIN_PORT: '0' })
})

test('.env.example lists every variable with its default', () => {
  const example = parse(readFileSync(join(root, '.env.example')))
  assert.deepEqual(Object.keys(example), settingNames.map(variable))
  assert.deepEqual(parseConfig(example), parseConfig({}))
  for (const name of settingNames) {
    const value = settings[name].default
    assert.equal(example[variable(name)], Array.isArray(value) ? '' : String(value), variable(name))
  }
})

test('the reference describes every variable with its default', () => {
  const reference = readFileSync(join(root, 'docs/reference/settings.md'), 'utf8')
  for (const name of settingNames) {
    const row = new RegExp(`^\\| \`${variable(name)}\` \\| (.*?) \\|`, 'm').exec(reference)
    assert.ok(row, `${variable(name)} has a row`)
    const value = settings[name].default
    const shown = value === '' || Array.isArray(value) ? 'empty' : `\`${value}\``
    assert.equal(row[1], shown, variable(name))
  }
})

test('npm run generate was run: files that are made from the table are as it would write them', async () => {
  for (const [path, text] of Object.entries(generated)) {
    assert.equal(readFileSync(join(root, path), 'utf8'), await text(), `${path}: npm run generate`)
  }
})

test('a setting has the default of the option of the core that has its name', () => {
  const shared = poolSettingNames.filter((name) => Object.hasOwn(defaults, name))
  assert.ok(shared.length > 10, 'they have the same names')
  for (const name of shared) {
    assert.deepEqual(settings[name].default, defaults[name as keyof typeof defaults], name)
  }
})

test('every default is one that the setting takes', () => {
  for (const name of settingNames)
    assert.deepEqual(accept(name, settings[name].default), settings[name].default, name)
})

test('every time is said to be in milliseconds', () => {
  for (const name of settingNames) {
    const { type }: Setting = settings[name]
    if (!/(Timeout|Delay|KeepAlive|Age|Interval|Base|ejectMax|Decay|slowStart|hedge)$/.test(name)) continue
    assert.equal(type.unit, 'milliseconds', name)
  }
})
