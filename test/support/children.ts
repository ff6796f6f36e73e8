import { type ChildProcess, fork as forkProcess, spawn as spawnProcess } from 'node:child_process'
import { fstatSync } from 'node:fs'
import type { Socket } from 'node:net'

/**
 * A shell script that reads of every child that starts and ends, and kills those that are left at the end of its standard
 * input: the kernel closes that however this process ends, by SIGKILL as well. With a child its process group is killed.
 */
const REAPER = `
children=' '
while read -r what pid; do
  case $what in
    add) children="$children$pid " ;;
    drop) children="\${children%% "$pid" *} \${children#* "$pid" }" ;;
  esac
done
for pid in $children; do kill -s KILL -- "-$pid" || kill -s KILL "$pid"; done
`

let reaper: ChildProcess | undefined

function tell(what: 'add' | 'drop', pid: number): void {
  if (!reaper) {
    // It must not hold what others wait for the end of, nor hear the Ctrl-C that is for this process.
    reaper = spawnProcess('/bin/sh', ['-c', REAPER], {
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    reaper.unref()
    const pipe = reaper.stdin as Socket
    pipe.on('error', () => {})
    pipe.unref()
  }
  reaper.stdin?.write(`${what} ${pid}\n`)
}

function watched<C extends ChildProcess>(child: C): C {
  const { pid } = child
  // It could not be started.
  if (pid === undefined) return child
  tell('add', pid)
  child.once('exit', () => tell('drop', pid))
  return child
}

/** As Node's own; the child ends with this process at the latest, whatever becomes of that. */
export const spawn = ((...parameters: Parameters<typeof spawnProcess>) =>
  watched(spawnProcess(...parameters))) as typeof spawnProcess

/** As Node's own; the child ends with this process at the latest, whatever becomes of that. */
export const fork = ((...parameters: Parameters<typeof forkProcess>) =>
  watched(forkProcess(...parameters))) as typeof forkProcess

/** A file that node:test runs is of no use once its runner is gone, which is seen by its standard input. */
function endWithRunner(): void {
  if (process.env.NODE_TEST_CONTEXT === undefined || !fstatSync(0).isSocket()) return
  process.stdin.once('close', () => process.kill(process.pid, 'SIGKILL')).resume()
  process.stdin.unref()
}

endWithRunner()
