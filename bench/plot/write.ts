import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Writes pictures into a folder, which is made where there is none, and says so. */
export async function write(folder: string, pictures: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, svg] of pictures) {
    await writeFile(join(folder, name), svg)
    console.log(`wrote ${join(folder, name)}`)
  }
}
