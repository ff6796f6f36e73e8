import { existsSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root, start } from './process.js'

/** Makes a project beside this one that has installed the package and others; resolves to its folder. */
export async function consumer(packages: Iterable<string> = ['fastify', '@types/node']): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leastwise-'))
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/leastwise'))
  for (const name of packages) {
    const installed = join(root, 'node_modules', name)
    if (!existsSync(installed)) throw new Error(`${name} is not installed here`)
    await mkdir(dirname(join(folder, 'node_modules', name)), { recursive: true })
    await symlink(installed, join(folder, 'node_modules', name))
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return folder
}

/** Compiles all of a folder for a strict user, into `out` in it; resolves to what the compiler has to say. */
export async function compile(folder: string): Promise<string> {
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    rootDir: '.',
    outDir: 'out',
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, exclude: ['out'] }))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { code, stdout, stderr } = await start([tsc, '--project', folder]).ended
  return code === 0 ? '' : stdout + stderr
}
