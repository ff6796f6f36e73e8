import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inWords, isConnectionLost, replyCode } from '../../../src/stores/redis/failures.js'

const cases: [string, string | undefined, RegExp, boolean][] = [
  ["READONLY You can't write against a read only replica.", 'READONLY', /it is a replica/, true],
  [
    "ERR Error running script (call to f_1): @user_script:2: -READONLY You can't write against a read only replica.",
    'READONLY',
    /it is a replica/,
    true,
  ],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'OOM', /out of memory/, false],
  ['MOVED 866 10.0.0.2:6379', 'MOVED', /node of a cluster; STORE needs \?cluster=true/, false],
  [
    "NOPERM this user has no permissions to run the 'evalsha' command",
    'NOPERM',
    /^the user may not do this \(NOPERM: this user has no permissions to run the 'evalsha' command\)$/,
    false,
  ],
  [
    "ERR The user executing the script can't run this command or subcommand script: 1, on @user_script:6.",
    'NOPERM',
    /^the user may not do this \(NOPERM: The user executing/,
    false,
  ],
  ['ERR unknown command', 'ERR', /^ERR unknown command$/, false],
  ['Connection is closed.', undefined, /^Connection is closed\.$/, false],
  ['connect ECONNREFUSED 127.0.0.1:6379', undefined, /ECONNREFUSED/, false],
]

test('What a server says is put into words, also where a script says it', () => {
  for (const [message, code, words, isLost] of cases) {
    const error = new Error(message)
    assert.equal(replyCode(error), code, message)
    assert.match(inWords(error).message, words)
    assert.equal(isConnectionLost(error), isLost, message)
  }
})

test('Of the errors of several addresses the first is told', () => {
  assert.equal(inWords(new AggregateError([new Error('one'), new Error('two')])).message, 'one')
})
