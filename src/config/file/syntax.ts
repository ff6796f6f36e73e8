import { LineCounter, parseDocument, type YAMLError } from 'yaml'
import { JsonError, parseJson } from '../../text/json-fault.js'
import { shown } from './mistakes.js'

/** Where a text is not YAML, or not JSON. */
export interface SyntaxFault {
  line: number
  column: number
  message: string
}

/** The tree of a text. */
export interface ParsedText {
  root: unknown
  lines: LineCounter
  /** Undefined for a text without a fault. */
  fault: SyntaxFault | undefined
}

/** Parses a text in YAML, of which JSON is a part. @param mustBeJson whether the name of the file says that it is JSON */
export function parseText(text: string, mustBeJson: boolean): ParsedText {
  const lines = new LineCounter()
  const fault = mustBeJson ? jsonFault(text) : undefined
  if (fault) return { root: null, lines, fault }
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      // Names that come twice are found later, in a time that does not grow with the square of their number.
      uniqueKeys: false,
      // With 'silent' a second document would be left out without an error.
      logLevel: 'error',
    })
    // One error makes others of what follows it, so only the first is told.
    const [first] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])
    return { root: document.contents, lines, fault: first && yamlFault(first, text, lines) }
  } catch (error) {
    // The parser calls itself for each level.
    if (!(error instanceof RangeError)) throw error
    return { root: null, lines, fault: { line: 1, column: 1, message: 'is nested too deeply' } }
  }
}

/** Line and column from 1 on. */
export function placeAt(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1) }
}

function jsonFault(text: string): SyntaxFault | undefined {
  try {
    parseJson(text)
    return undefined
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    const [place = '', line, column] = /,? at line (\d+), column (\d+)/.exec(error.message) ?? []
    const message = `is not JSON: ${error.message.replace(place, '')}`
    return { line: Number(line ?? 1), column: Number(column ?? 1), message }
  }
}

function yamlFault(error: YAMLError, text: string, lines: LineCounter): SyntaxFault {
  return { ...placeAt(lines, error.pos[0]), message: `is not understood: ${reasonOf(error, text)}` }
}

function reasonOf({ code, message, pos: [at] }: YAMLError, text: string): string {
  if (text.startsWith('${', at - 1) || text.startsWith('${', at))
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how the file names a variable.
    return '${NAME} has to be in quotation marks here'
  if (code === 'MULTIPLE_DOCS') return 'it takes one document'
  return shown((message.split('\n', 1)[0] as string).replace(/[.:]$/, '')).slice(1, -1)
}
