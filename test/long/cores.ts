import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { root, start } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'

test('npm run bench -- cores measures each number of workers, and says of each goal what became of it', async () => {
  const args = ['--workers', noSharedPort ? '1' : '1,2', '--rounds', '1']
  const { code, stdout, stderr } = await start([join(root, 'dist/bench/cores/main.js'), ...args]).ended
  assert.deepEqual([code, stderr], [0, ''])
  for (const workers of noSharedPort ? [1] : [1, 2]) {
    // Of CPU time, requests a second and peaks no bound is asserted: a machine is as fast as it is.
    assert.match(stdout, new RegExp(`\\n\\| ${workers} +\\| +\\d+\\.\\d \\| \\d+\\.\\d-\\d+\\.\\d \\|`))
    assert.match(
      stdout,
      new RegExp(`\\n\\| ${workers} +\\| +\\d+\\.\\d \\|[^\\n]*\\| +\\d+ / \\d+ / \\d+ \\| +\\d+ \\|`),
    )
  }
  for (const goal of ['CPU for a request', 'requests a second', 'peaks of equal backends'])
    assert.match(stdout, new RegExp(`\\n(reached|missed|not judged) +${goal} `))
})
