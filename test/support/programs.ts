import { builtinModules } from 'node:module'
import { fencesOf } from './markdown.js'

/** TypeScript of a document that makes one file. */
export interface Program {
  document: string
  /** The line on which its last part begins. */
  line: number
  /** Without extension. */
  name: string
  code: string
  /** Whether it serves, and so does not end by itself. */
  serves: boolean
}

/**
 * The programs of a document. A snippet without an import goes on where the one before it ended; one that names
 * a file of the tree is about this project, and no program of a user.
 */
export function programsOf(document: string): Program[] {
  const programs: Program[] = []
  for (const { language, info, line, code } of fencesOf(document)) {
    if (language !== 'ts' || info.includes('/')) continue
    const before = programs.at(-1)
    if (before && !code.includes('import ')) {
      before.code += code
      before.line = line
    } else {
      programs.push({ document, line, name: info.replace(/\.ts$/, '') || `line${line}`, code, serves: false })
    }
  }
  for (const program of programs) program.serves = /\bport: 3000\b/.test(program.code)
  return programs
}

/** The packages that programs import, and the types of Node. */
export function packagesOf(programs: Program[]): Set<string> {
  const packages = new Set(['fastify', '@types/node'])
  for (const { code } of programs) {
    for (const [, name = ''] of code.matchAll(/from '((?:@[^/']+\/)?[^/'.][^/']*)/g)) {
      if (!name.startsWith('node:') && !builtinModules.includes(name) && name !== 'leastwise')
        packages.add(name)
    }
  }
  return packages
}
