import { settings, variable } from '../settings.js'

/** Names of the settings by their variables. */
const byVariable = new Map(Object.keys(settings).map((name) => [variable(name), name]))

/** Converts Markdown to plain text, without the marks of code and links. */
export function plain(markdown: string): string {
  return withoutLinks(markdown).replaceAll('`', '')
}

/**
 * Converts the text of a setting to the text of its option: removes links, and writes other settings as option names.
 */
export function optionText(markdown: string): string {
  return withoutLinks(markdown).replaceAll(/`([A-Z][A-Z_]+)`/g, (all, name) => {
    const option = byVariable.get(name)
    return option === undefined ? all : `\`${option}\``
  })
}

function withoutLinks(markdown: string): string {
  return markdown.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
}

/** Breaks text into lines at blanks; a word that is longer than a line stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** A default value as the environment writes it; empty where nothing is set. */
export function defaultText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}
