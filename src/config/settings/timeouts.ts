import { milliseconds } from '../setting-types.js'
import { group, setting } from './setting.js'

export const timeouts = group('Timeouts', {
  connectTimeout: setting({
    type: milliseconds(1),
    default: 1000,
    meaning: 'Longest time to connect to a backend',
  }),
  responseTimeout: setting({
    type: milliseconds(0, 'for none'),
    default: 30_000,
    meaning: 'Longest time from the end of a request to the first byte of its response; `0` for no limit',
  }),
  bodyTimeout: setting({
    type: milliseconds(0, 'for none'),
    default: 60_000,
    meaning:
      'Longest pause between two chunks of a body, from and to clients and backends; `0` for no limit. [Streams of events](operations.md#streams) (`text/event-stream`, `multipart/x-mixed-replace`, NDJSON, gRPC) and tunnels with both halves open may pause for any time; a tunnel with one half closed, or whose one end does not read, may not',
  }),
})
