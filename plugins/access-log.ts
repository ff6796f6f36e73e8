import type { RequestObserver } from './record.js'

/** One line for each request, written when it is over. */
export const logRequest: RequestObserver = (record, request) => {
  request.log.info(
    {
      ...record,
      queueTime: round(record.queueTime),
      firstByteTime: record.firstByteTime === null ? null : round(record.firstByteTime),
      upstreamTime: record.upstreamTime === null ? null : round(record.upstreamTime),
      responseTime: round(record.responseTime),
    },
    'request',
  )
}

/** To microseconds. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
