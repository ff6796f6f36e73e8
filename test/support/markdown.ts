import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { root } from './process.js'

/** A block of code in a document. */
export interface Fence {
  /** The document, from the root of the tree. */
  document: string
  /** The line on which its code begins, counted from 1. */
  line: number
  /** The first word after the ticks. */
  language: string
  /** What stands after that: a file that is quoted, or a call whose answer is shown. */
  info: string
  code: string
}

/** The texts that people read: at the root, and in docs. */
export const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CODE_OF_CONDUCT.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join('docs', name))
    .sort(),
]

export function readDocument(document: string): string {
  return readFileSync(join(root, document), 'utf8')
}

export function fencesOf(document: string): Fence[] {
  const text = readDocument(document)
  return [...text.matchAll(/^```(\S+) *(.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    document,
    line: text.slice(0, match.index).split('\n').length + 1,
    language: match[1] as string,
    info: match[2] as string,
    code: match[3] as string,
  }))
}

/** What a document says besides its code. */
export function proseOf(document: string): string {
  return readDocument(document).replace(/^```[\s\S]*?^```$/gm, '')
}

/** Where a link can lead to within a document, as GitHub makes it of headings. */
export function anchorsOf(document: string): Set<string> {
  const headings = [...proseOf(document).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
  return new Set(headings)
}
