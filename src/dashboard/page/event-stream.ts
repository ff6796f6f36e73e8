/** One event of a stream of server-sent events (`text/event-stream`). */
export interface StreamEvent {
  id: string | undefined
  type: string
  data: string
}

/** Parses the text of an event stream as it arrives, and returns the events that are complete. */
export class EventStreamParser {
  #rest = ''

  push(text: string): StreamEvent[] {
    const blocks = (this.#rest + text).split('\n\n')
    this.#rest = blocks.pop() as string
    return blocks.map(parse).filter((event) => event !== undefined)
  }
}

function parse(block: string): StreamEvent | undefined {
  let id: string | undefined
  let type = 'message'
  let data: string | undefined
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'id') id = value
    else if (name === 'event') type = value
    else if (name === 'data') data = data === undefined ? value : `${data}\n${value}`
  }
  return data === undefined ? undefined : { id, type, data }
}
