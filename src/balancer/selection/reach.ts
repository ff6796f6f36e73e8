import type { Backend } from '../backends/backend.js'
import { type Tier, tiers } from './tier.js'

/**
 * Returns the last tier to choose from, where no backend within its share can be chosen.
 * @param withinShare number of eligible backends within their share
 * @param except backends that must not be chosen
 * @param canWait true if the request can wait for a better backend
 */
export function extendedReach(
  withinShare: number,
  except: ReadonlySet<Backend> | undefined,
  canWait: boolean,
): Tier {
  if (!canWait) return tiers.coolingDown
  // A request waits only if a backend within its share is full, because that one may soon have room.
  let left = withinShare
  if (except) for (const { isEligible, tier } of except) if (isEligible && tier <= tiers.withinShare) left--
  return left > 0 ? tiers.shareUsed : tiers.coolingDown
}
