import { settings, variable } from '../settings.js'

/** Names of the settings by their variables. */
const byVariable = new Map(Object.keys(settings).map((name) => [variable(name), name]))

/** Markdown as plain text: code and links lose their marks. */
export function plain(markdown: string): string {
  return withoutLinks(markdown).replaceAll('`', '')
}

/** The text of a setting as that of an option: without links, and other settings are called as options are. */
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

/** A default as it is written in the environment; empty where nothing is set. */
export function defaultText(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}
