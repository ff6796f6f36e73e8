import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { root } from '../support/process.js'

/** What a user can import of the core. A name that goes or changes is a breaking change, see docs/versioning.md. */
const core = {
  values: [
    'AllFullError',
    'BackendExistsError',
    'BackendGoneError',
    'BackendNotFoundError',
    'Balancer',
    'BalancerError',
    'ClientGoneError',
    'ControlledElsewhereError',
    'InvalidBackendError',
    'InvalidOptionError',
    'NoBackendError',
    'QueueFullError',
    'QueueTimeoutError',
    'StateNotSavedError',
    'StoppedError',
    'StoreConflictError',
    'StoreError',
    'StoreOutcomeError',
    'UnknownPolicyError',
    'openBalancer',
    'policyNames',
    'systemClock',
  ],
  types: [
    'AdminState',
    'AnswerKind',
    'Backend',
    'BackendPatch',
    'BackendRecord',
    'BackendSource',
    'BackendSpec',
    'BackendState',
    'BackendStore',
    'BackendView',
    'BalancerOptions',
    'Budget',
    'CandidateScore',
    'Cause',
    'CheckResult',
    'Clock',
    'ConfigurableOptions',
    'ConfigurationChange',
    'ConfiguredBackend',
    'Decision',
    'DecisionFilter',
    'DecisionKind',
    'ExplainedBackend',
    'Explanation',
    'Health',
    'HedgeAfter',
    'Hedging',
    'HostHeader',
    'Inquiry',
    'LatencySummary',
    'Lease',
    'LeaseRequest',
    'OnObserverError',
    'Outcome',
    'PanicMode',
    'PickContext',
    'Policy',
    'PolicyConstructor',
    'PolicyName',
    'PoolHandle',
    'PoolState',
    'PoolView',
    'PoolWorker',
    'PoolWorkers',
    'PoolWorkersEvents',
    'Preview',
    'RefusalCode',
    'RefusalCounts',
    'Registry',
    'RegistryEvents',
    'Selector',
    'Restored',
    'StateKeeper',
    'StateKeeperEvents',
    'StoreRevision',
    'StoredState',
    'Verdict',
    'Wait',
    'WorkerChange',
  ],
}

/** What a user can import besides that of the package itself. */
const main = {
  values: [...core.values, 'SettingError', 'default', 'leastwise', 'redisStore', 'stateFile'],
  types: [...core.types, 'LeastwiseOptions', 'RedisClient', 'RedisStore', 'RedisStoreOptions'],
}

const entries: Record<string, typeof core> = { leastwise: main, 'leastwise/balancer': core }

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

test('what can be imported is listed here', () => {
  const places = Object.keys(entries).map((entry) => entry.replace('leastwise', '.'))
  assert.deepEqual(Object.keys(exports), [...places, './package.json'])
})

for (const [entry, { values, types }] of Object.entries(entries)) {
  test(`${entry} exports these values and types, and nothing else`, async () => {
    const exported = Object.keys(await import(entry))
    assert.deepEqual(exported.sort(), [...values].sort())
    const declared = declaredIn(join(root, exports[entry.replace('leastwise', '.')].types))
    assert.deepEqual([...declared].sort(), [...values, ...types].sort())
  })
}

test('declarations that are published leave out what is internal', () => {
  for (const folder of ['src', 'plugins', 'routes']) {
    for (const name of readdirSync(join(root, 'dist', folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.d.ts')) continue
      assert.doesNotMatch(readFileSync(join(root, 'dist', folder, name), 'utf8'), /@internal/, name)
    }
  }
})

/** Names that a file of declarations exports, in the form in which the compiler writes them. */
function declaredIn(file: string): Set<string> {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const names = new Set<string>()
  for (const [, path = ''] of text.matchAll(/^export \* from '(.+)\.js';$/gm)) {
    for (const name of declaredIn(join(dirname(file), `${path}.d.ts`))) names.add(name)
  }
  for (const [, list = ''] of text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)) {
    for (const one of list.split(',').filter((name) => name.trim()))
      names.add(one.trim().replace(/^type |^.* as /g, ''))
  }
  const declaration =
    /^export (?:declare )?(?:abstract )?(?:class|function|const|let|enum|interface|type) (\w+)/gm
  for (const [, name = ''] of text.matchAll(declaration)) names.add(name)
  if (/^export default /m.test(text)) names.add('default')
  return names
}
