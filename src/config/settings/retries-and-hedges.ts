import { defaults } from '../../balancer/options.js'
import { failureStatuses, integer, milliseconds, percent, wordOr } from '../setting-types.js'
import { group, setting } from './setting.js'

export const retriesAndHedges = group('Retries and hedging', {
  retries: setting({
    type: integer(0, 100, 'tries', 'for none'),
    default: 1,
    meaning:
      'Most [retries](concepts/retries.md) of a request after attempts that reached a backend. Attempts that reached no backend are not counted. `0` for no retry of any kind',
  }),
  retryStatus: setting({
    type: failureStatuses,
    default: '',
    meaning:
      'Response statuses that cause a retry, like `502-504`, where the request is idempotent and has no body, or one that `REQUEST_BUFFER` has read whole; empty for none',
  }),
  retryBudget: setting({
    type: percent,
    default: defaults.retryBudget,
    meaning:
      'Most retries after attempts that reached a backend, in percent of the requests of the last ten seconds, and ten more; `0` for none',
  }),
  hedge: setting({
    type: wordOr(milliseconds(1), 'off', 'p95'),
    default: defaults.hedge,
    meaning:
      'When a [hedge](concepts/hedging.md) is sent for a GET or HEAD without a body that has no response yet: after so many milliseconds, after the `p95` of recent response times, or `off` for never',
  }),
  hedgeBudget: setting({
    type: percent,
    default: defaults.hedgeBudget,
    meaning: 'Most hedges, in percent of the requests of the last ten seconds; `0` for none',
  }),
})
