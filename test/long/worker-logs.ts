import { endedThreads, slowReader } from '../scenarios/worker-logs.js'

slowReader({ lines: 4000, pauseBytes: 10_000_000, pause: 300 })
slowReader({ lines: 800, pauseBytes: 65_536, pause: 5 })
endedThreads({ runs: 5, threads: 11 })
