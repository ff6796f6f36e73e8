import type { ChildProcess } from 'node:child_process'
import { on } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fork } from './children.js'
import { root } from './process.js'

/** Starts a process with a connection. It ends with the test. */
export async function startStoreProcess(t: TestContext, url: string): Promise<ChildProcess> {
  const child = fork(join(root, 'dist/test/support/store-process.js'), [url])
  t.after(() => child.kill('SIGKILL'))
  await said(child, 'started')
  return child
}

/** Waits for what the process says. */
export async function said(child: ChildProcess, wanted: string): Promise<void> {
  for await (const [what] of on(child, 'message')) {
    if (typeof what === 'string' && what.startsWith(wanted)) return
  }
}
