import { type RunningProxy, runInForeground } from '../rig/foreground.js'
import type { PeerKind, PeerSetup } from './peer.js'

/** Starts a peer, with nothing left open in what is asked of it. */
export function run(kind: PeerKind, binary: string, setup: PeerSetup): Promise<RunningProxy> {
  const { profile, health, retries = profile === 'resilient', cpu } = setup
  const backends = setup.backends.map(({ url, weight = 1 }) => ({ address: new URL(url).host, weight }))
  return runInForeground(
    kind.name,
    (place) => kind.launch(binary, { ...place, profile, retries, health, backends }),
    cpu,
  )
}
