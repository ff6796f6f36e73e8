import type { Command } from 'commander'
import { type AdminOptions, adminCommand, clientOf, print } from './admin-command.js'
import { type Gateway, readGateways, readPools } from './responses.js'
import { type Column, styled, table } from './table.js'
import { terminalText } from './terminal-text.js'

const examples = `Examples:
  leastwise gateways
  leastwise gateways --json | jq -r '.gateways[].id'

Of one gateway where no store is shared. Below the table is the store, where
there is one, as this gateway sees it. With --json it prints {"gateways":[…]},
as GET /gateways answers.`

/** Makes the columns. @param now the time from which it is told how long ago a gateway was heard of */
function columns(now: number): Column<Gateway>[] {
  return [
    { head: 'id', text: ({ id }) => id },
    { head: 'in flight', right: true, text: ({ inFlight }) => String(inFlight) },
    {
      head: 'last seen',
      text: ({ self, lastSeen }) => (self ? 'is asked' : `${ago(now - Date.parse(lastSeen))} ago`),
    },
  ]
}

/** Makes the command `leastwise gateways`. */
export function gatewaysCommand(): Command {
  return adminCommand('gateways', 'print the gateways that share the store', examples).action(
    async (options: AdminOptions) => {
      const client = clientOf(options)
      const gateways = await client.call('GET', '/gateways', { read: readGateways })
      const pools = options.json ? [] : await client.call('GET', '/pools', { read: readPools })
      // The clock of the gateway may differ from ours.
      const self = gateways.find(({ self }) => self)
      const now = self ? Date.parse(self.lastSeen) : Date.now()
      const store = pools.find(({ store }) => store)?.store
      const lines = table(columns(now), gateways)
      if (store) lines.push('', storeLine(store))
      print(options, { gateways }, lines.join('\n'))
    },
  )
}

/** Returns a line that says how the store is. */
export function storeLine({
  name,
  away,
  awaySince,
}: {
  name: string
  away: boolean
  awaySince: string | null
}): string {
  const since = awaySince === null ? '' : ` since ${awaySince}`
  const text = away ? `store ${name} is AWAY${since}: changes are refused` : `store ${name} answers`
  return styled(terminalText(text), away ? 'red' : undefined)
}

function ago(milliseconds: number): string {
  return `${Math.max(0, milliseconds / 1000).toFixed(1)} s`
}
