import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** A Node that gateways are run with. */
export interface Node {
  /** Of its binary. */
  path: string
  /** As `22.12.0`. */
  version: string
}

/** The Node that runs this. */
export const ownNode: Node = { path: process.execPath, version: process.versions.node }

/** @param text paths of Node binaries, separated by commas @throws {Error} for what is no Node */
export async function parseNodes(text: string): Promise<Node[]> {
  return Promise.all(
    text.split(',').map(async (path) => {
      const version = await versionOf(path)
      if (version !== undefined) return { path, version }
      throw new Error(
        `--node does not accept "${path}": it takes paths of Node binaries, separated by commas`,
      )
    }),
  )
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'])
    return /^v(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}
