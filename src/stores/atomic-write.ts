import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Replaces or creates a file as a whole: a reader finds all of the old or all of the new content, even after a crash or
 * a power cut, and the new content once this has resolved. Mode and owner are kept. The content is written to a
 * temporary file in the same folder and flushed to disk; then the file is renamed, and the folder is flushed, too.
 */
export async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  const before = await stat(path).catch(() => undefined)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(temporary, 'wx')
  try {
    try {
      if (before) await copyOwnership(file, before)
      // Unlike `write`, writeFile continues after a short write, which occurs on a nearly full disk.
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
  await syncFolder(dirname(path))
}

/** Removes temporary files of processes that were killed during {@link replaceFile}. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path)
  const prefix = `${basename(path)}.`
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{12}\.tmp$/.test(name.slice(prefix.length))) continue
    await unlink(join(folder, name)).catch(() => {})
  }
}

async function copyOwnership(file: FileHandle, { mode, uid, gid }: Stats): Promise<void> {
  const own = await file.stat()
  // Only root may give a file to another owner. A change of the owner clears some bits of the mode, so the mode is set
  // last.
  if (own.uid !== uid || own.gid !== gid) await file.chown(uid, gid).catch(() => {})
  await file.chmod(mode & 0o7777)
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot flush a folder.
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    // Some network file systems cannot flush a folder either.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
  } finally {
    await folder.close()
  }
}
