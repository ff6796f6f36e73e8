import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { FileWatch } from '../../../src/gateway/reload/file-watch.js'
import { TestClock } from '../../support/clock.js'
import { until } from '../../support/until.js'

async function play(t: TestContext, names: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = (name: string) => join(folder, name)
  const clock = new TestClock()
  let files = names.map(path)
  let changes = 0
  const watch = new FileWatch(
    () => files,
    () => changes++,
    clock,
  )
  t.after(() => watch.stop())
  return {
    path,
    clock,
    watch,
    watchOthers(others: string[]) {
      files = others.map(path)
    },
    async begin() {
      await watch.seen()
      watch.start()
    },
    /** Looks at the files so often, and returns how many changes that has told. */
    async look(times = 2): Promise<number> {
      const before = changes
      for (let i = 0; i < times; i++) {
        clock.pass(1000)
        // The next look is waited for once this one is over.
        await until(
          () => clock.pending,
          (pending) => pending === 1,
        )
      }
      return changes - before
    },
  }
}

/** A folder of a ConfigMap, as Kubernetes mounts it: what is asked for is a link into a folder that is swapped. */
function mountConfigMap(path: (name: string) => string, text: string, version: number): void {
  mkdirSync(path(`..${version}`))
  writeFileSync(join(path(`..${version}`), 'gateway.yaml'), text)
  symlinkSync(`..${version}`, path('..data_tmp'))
  renameSync(path('..data_tmp'), path('..data'))
  if (version === 1) symlinkSync('..data/gateway.yaml', path('gateway.yaml'))
}

test('a change in place is told once', async (t) => {
  const { path, begin, look } = await play(t, ['a'])
  writeFileSync(path('a'), 'one')
  await begin()
  assert.equal(await look(), 0)
  writeFileSync(path('a'), 'two')
  assert.equal(await look(1), 0)
  assert.equal(await look(1), 1)
  assert.equal(await look(), 0)
})

test('a file that is written in parts is told of once it is whole', async (t) => {
  const { path, begin, look } = await play(t, ['a'])
  writeFileSync(path('a'), 'one')
  await begin()
  for (const text of ['t', 'tw', 'two']) {
    writeFileSync(path('a'), text)
    assert.equal(await look(1), 0)
  }
  assert.equal(await look(1), 1)
})

test('a change that keeps size and time of the contents is told', async (t) => {
  const { path, begin, look } = await play(t, ['a'])
  writeFileSync(path('a'), 'one')
  utimesSync(path('a'), 1, 1)
  await begin()
  writeFileSync(path('a'), 'two')
  utimesSync(path('a'), 1, 1)
  assert.equal(await look(), 1)
})

test('another file in its place, none, a folder, and the file again', async (t) => {
  const { path, begin, look } = await play(t, ['a'])
  writeFileSync(path('a'), 'one')
  await begin()
  writeFileSync(path('b'), 'one')
  renameSync(path('b'), path('a'))
  assert.equal(await look(), 1)
  rmSync(path('a'))
  assert.equal(await look(), 1)
  mkdirSync(path('a'))
  assert.equal(await look(), 1)
  rmSync(path('a'), { recursive: true })
  writeFileSync(path('a'), 'one')
  assert.equal(await look(), 1)
})

test('a link into a folder that is swapped, as of a ConfigMap', async (t) => {
  const { path, begin, look } = await play(t, ['gateway.yaml'])
  mountConfigMap(path, 'one', 1)
  await begin()
  assert.equal(await look(), 0)
  mountConfigMap(path, 'two', 2)
  assert.equal(await look(), 1)
  rmSync(path('..1'), { recursive: true })
  assert.equal(await look(), 0)
})

test('each of several files counts, and others that take their place', async (t) => {
  const { path, watch, watchOthers, begin, look } = await play(t, ['a', 'b'])
  for (const name of ['a', 'b', 'c']) writeFileSync(path(name), 'one')
  await begin()
  writeFileSync(path('b'), 'two')
  assert.equal(await look(), 1)
  watchOthers(['a', 'c', 'd'])
  await watch.follow()
  assert.equal(await look(), 0)
  writeFileSync(path('d'), 'one')
  assert.equal(await look(), 1)
  writeFileSync(path('b'), 'three')
  assert.equal(await look(), 0)
})

test('a change before the watch begins is told, and what somebody reads is not', async (t) => {
  const { path, watch, look } = await play(t, ['a'])
  writeFileSync(path('a'), 'one')
  await watch.seen()
  writeFileSync(path('a'), 'two')
  watch.start()
  assert.equal(await look(3), 1)
  writeFileSync(path('a'), 'three')
  assert.equal(await look(1), 0)
  await watch.seen()
  assert.equal(await look(3), 0)
})

test('nothing is looked at after the end', async (t) => {
  const { path, clock, watch, begin } = await play(t, ['a'])
  writeFileSync(path('a'), 'one')
  await begin()
  clock.pass(1000)
  watch.stop()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(clock.pending, 0)
})
