/** The store did not answer, or the connection to it is lost. */
export class StoreAwayError extends Error {
  /** Why, in words. */
  readonly why: string
  /** True if the store may have carried out what was asked of it. */
  readonly mayBeDone: boolean

  constructor(why: string, mayBeDone = false) {
    super(`the store is away: ${why}`)
    this.why = why
    this.mayBeDone = mayBeDone
  }
}

/** What a server says, by the first word of its error, in words that say what to do. */
const words: Record<string, string> = {
  WRONGPASS: 'it refuses the user or the password',
  NOAUTH: 'it wants a password',
  NOPERM: 'the user may not do this',
  READONLY: 'it is a replica, which takes no changes; STORE must name the primary',
  MASTERDOWN: 'it is a replica that has lost its primary',
  LOADING: 'it is loading its data',
  OOM: 'it is out of memory (maxmemory), and takes no changes',
  MISCONF: 'it cannot write to its disk, and takes no changes',
  NOREPLICAS: 'it has too few replicas, and takes no changes',
  CLUSTERDOWN: 'the cluster is down',
  MOVED: 'it is a node of a cluster; STORE needs ?cluster=true',
  BUSY: 'it is busy with a script',
  WRONGTYPE: 'a key of leastwise has a value of another type',
}

/** Errors after which another connection may reach a server that does better. */
const endsConnection = new Set(['READONLY', 'MASTERDOWN', 'LOADING', 'CLUSTERDOWN', 'NOAUTH', 'WRONGPASS'])

/** The first word of what the server said; undefined for an error that is not of the server. */
export function replyCode({ message }: Error): string | undefined {
  if (/^ERR The user executing the script can't/.test(message)) return 'NOPERM'
  // A script's error has its own beginning in servers before version 7.
  return /^(?:ERR Error running script .*?: (?:@\S+ )?(?:\S+:\d+: )?-?)?([A-Z]{2,20})\b/.exec(message)?.[1]
}

/** True if the server has said that it is not the one to ask. */
export function isConnectionLost(error: Error): boolean {
  return endsConnection.has(replyCode(error) ?? '')
}

/** Puts what ioredis or the server has said into words. Neither user nor password of the store are in them. */
export function inWords(error: Error): Error {
  const code = replyCode(error)
  const known = code !== undefined && Object.hasOwn(words, code) ? words[code] : undefined
  if (known === undefined) {
    // Where a name has several addresses, Node joins the errors of all of them without a text.
    const [first] = error instanceof AggregateError ? (error.errors as Error[]) : []
    return first ?? error
  }
  const detail = code === 'NOPERM' ? `: ${error.message.replace(/^[A-Z]+ /, '').slice(0, 200)}` : ''
  return new Error(`${known} (${code}${detail})`)
}
