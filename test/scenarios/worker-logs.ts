import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { spawn } from '../support/children.js'
import type { LoggingTask } from '../support/logging-threads.js'
import { root } from '../support/process.js'

const program = join(root, 'dist/test/support/logging-threads.js')

/** Starts a program whose threads log. @param stdout a file descriptor for its lines */
export function startLogging(task: LoggingTask, stdout: number | 'pipe' = 'pipe') {
  return spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', stdout, 'pipe'] })
}

/** All that is read from a stream. */
export async function textOf(stream: Readable | null): Promise<string> {
  return ((await stream?.setEncoding('utf8').toArray()) ?? []).join('')
}

/** The numbers of the lines of each thread, in order; fails for what is not a whole line of one thread. */
export function linesByThread(text: string, threads: number): number[][] {
  assert.ok(text.endsWith('\n'))
  const lines: number[][] = Array.from({ length: threads }, () => [])
  for (const line of text.slice(0, -1).split('\n')) {
    const { thread, i, fill, msg } = JSON.parse(line)
    if (msg === 'dropped') continue
    assert.match(fill, /^x*$/)
    lines[thread]?.push(i)
  }
  return lines
}

export const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

function assertInOrder(lines: number[]): void {
  lines.forEach((line, i) => {
    assert.ok(i === 0 || line > (lines[i - 1] as number), `${line} after ${lines[i - 1]}`)
  })
}

/**
 * Four threads log lines of 0 to 20,000 characters, and their reader pauses again and again.
 * @param lines of each thread; up to 800 there is room for all of them
 * @param pauseBytes bytes between two pauses of the reader
 * @param pause milliseconds
 */
export function slowReader({
  lines,
  pauseBytes,
  pause,
}: {
  lines: number
  pauseBytes: number
  pause: number
}) {
  const threads = 4
  test(`a slow reader gets ${lines} lines of each of ${threads} threads whole, in order, or counted`, async () => {
    const child = startLogging({ threads, lines, length: 20_000, next: 'flow' })
    const dropped = textOf(child.stderr).then(Number)
    const chunks: Buffer[] = []
    let unpaused = 0
    for await (const chunk of child.stdout as Readable) {
      chunks.push(chunk)
      unpaused += chunk.length
      if (unpaused < pauseBytes) continue
      unpaused = 0
      await setTimeout(pause)
    }
    const found = linesByThread(Buffer.concat(chunks).toString(), threads)
    for (const numbers of found) assertInOrder(numbers)
    assert.equal(found.flat().length + (await dropped), threads * lines)
    if (lines <= 800) assert.equal(await dropped, 0)
  })
}

/** Threads that log without end are ended one after another, except for the first. */
export function endedThreads({ runs, threads }: { runs: number; threads: number }) {
  const title = `${runs} times ${threads - 1} threads end while they log: lines are whole, and the others undisturbed`
  test(title, async () => {
    for (let run = 0; run < runs; run++) {
      const child = startLogging({ threads, lines: 200, length: 5000, next: 'terminate' })
      const [text] = await Promise.all([textOf(child.stdout), textOf(child.stderr)])
      const [first, ...ended] = linesByThread(text, threads)
      assert.deepEqual(first, upTo(200))
      for (const lines of ended) {
        assert.deepEqual(lines.slice(0, 200), upTo(200))
        assertInOrder(lines)
      }
    }
  })
}
