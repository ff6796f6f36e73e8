import { Argument, type Command } from 'commander'
import { policyNames } from '../balancer/selection/policies/index.js'
import { type AdminOptions, clientOf, poolCommand, print } from './admin-command.js'
import { readPolicy } from './responses.js'

const examples = `Examples:
  leastwise policy
  leastwise policy least-response-time

Switching loses no request and no count. With --json it prints {"policy":…}.`

/** Makes the command `leastwise policy [name]`, which reads or changes the policy. */
export function policyCommand(): Command {
  return poolCommand('policy', 'print how backends are chosen, or change it', examples)
    .addArgument(new Argument('[name]', 'the policy to switch to').choices(policyNames))
    .action(async (name: string | undefined, options: AdminOptions) => {
      const client = clientOf(options)
      const policy =
        name === undefined
          ? await client.call('GET', '/policy', { read: readPolicy })
          : await client.call('PUT', '/policy', { read: readPolicy, body: { policy: name } })
      print(options, { policy }, policy)
    })
}
