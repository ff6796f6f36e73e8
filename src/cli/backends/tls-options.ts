import { type Command, InvalidArgumentError, Option } from 'commander'
import { nullIfOff, OFF, orOff } from './or-off.js'

/** Options of a command that say how connections to a backend use TLS. */
export interface TlsOptions {
  ca?: string | typeof OFF
  cert?: string | typeof OFF
  key?: string | typeof OFF
  servername?: string | typeof OFF
  rejectUnauthorized?: boolean | typeof OFF
}

/** Adds the options for TLS with a backend to a command. Paths are those of the gateway's machine. */
export function addTlsOptions(command: Command): Command {
  return command
    .addOption(text('--ca <file>', 'PEM file at the gateway: who may have signed its certificate'))
    .addOption(text('--cert <file>', 'PEM file at the gateway: the certificate that it is shown'))
    .addOption(text('--key <file>', 'PEM file at the gateway: the private key of --cert'))
    .addOption(text('--servername <name>', 'name that its certificate has to be for'))
    .addOption(
      new Option(
        '--reject-unauthorized <bool>',
        "whether its certificate is checked; default for the gateway's setting",
      ).argParser(readCheck),
    )
}

/** Returns the values of these options as the admin API takes them. */
export function tlsChangesIn({ ca, cert, key, servername, rejectUnauthorized }: TlsOptions) {
  return {
    ca: nullIfOff(ca),
    cert: nullIfOff(cert),
    key: nullIfOff(key),
    servername: nullIfOff(servername),
    rejectUnauthorized: nullIfOff(rejectUnauthorized),
  }
}

function text(flags: string, about: string): Option {
  return new Option(flags, `${about}; off for the gateway's setting`).argParser(orOff((value) => value))
}

/** The word `default` instead of `off`, which could be taken for "no check". */
function readCheck(text: string): boolean | typeof OFF {
  if (text === 'default') return OFF
  if (text === 'true' || text === 'false') return text === 'true'
  throw new InvalidArgumentError('It takes true, false or default.')
}
