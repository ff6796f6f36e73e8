/** A kind of request: how large it is, and how large its answer. */
export interface Kind {
  name: string
  about: string
  method: 'GET' | 'POST'
  /** Bytes of the request's body. */
  body: number
  answer: Answer
  /** Most connections of the clients. */
  connections?: number
}

/** A name of an answer, which the client puts into the path. */
export type Answer = 'small' | 'large' | 'stream'

/** Bytes of the body of each answer. */
export const ANSWER_BYTES: Record<Answer, number> = {
  small: 1024,
  large: 64 * 1024,
  stream: 16 * 1024 * 1024,
}

/** Bytes of a chunk of a stream, as a file is read in Node. */
export const CHUNK_BYTES = 64 * 1024

export const kinds = [
  { name: 'get', about: 'GET, answer of 1 KB', method: 'GET', body: 0, answer: 'small' },
  { name: 'post-1k', about: 'POST of 1 KB, answer of 1 KB', method: 'POST', body: 1024, answer: 'small' },
  { name: 'post-64k', about: 'POST of 64 KB, answer of 1 KB', method: 'POST', body: 65536, answer: 'small' },
  { name: 'answer-64k', about: 'GET, answer of 64 KB', method: 'GET', body: 0, answer: 'large' },
  {
    name: 'stream-16m',
    about: 'GET, answer of 16 MB in chunks of 64 KB, without a length',
    method: 'GET',
    body: 0,
    answer: 'stream',
    connections: 8,
  },
] as const satisfies Kind[]

export type KindName = (typeof kinds)[number]['name']

export function kindOf(name: KindName): Kind {
  return kinds.find((kind) => kind.name === name) as Kind
}

/** @throws {Error} for a name that is not there */
export function parseKinds(text: string): KindName[] {
  return text.split(',').map((name) => {
    const kind = kinds.find((one) => one.name === name)
    if (kind) return kind.name
    throw new Error(
      `--kinds does not accept "${name}": it takes ${kinds.map((one) => one.name).join(', ')}, separated by commas`,
    )
  })
}
