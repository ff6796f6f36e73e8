import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptedCoding } from '../../../src/proxy/downstream/response/accepted-coding.js'
import { isCompressibleType } from '../../../src/proxy/downstream/response/compression.js'

test('the client says which content coding it takes', () => {
  const cases: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['gzip, deflate, br', 'br'],
    ['gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['*', 'br'],
    ['br;q=0, *', 'gzip'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0, gzip;q=0', undefined],
    ['gzip;q=0.5, identity', undefined],
    ['gzip;q=0.5, identity;q=0.5', 'gzip'],
    ['deflate, zstd', undefined],
    ['gzip;q=x', undefined],
    ['gzip ; q=0.001', 'gzip'],
    ['identity;q=0, *;q=0', undefined],
  ]
  for (const [accepted, coding] of cases) assert.equal(acceptedCoding(accepted), coding, accepted)
})

test('types of text are compressed, streams of events and what is compressed already are not', () => {
  const types = [
    'text/html; charset=utf-8',
    'application/json',
    'Application/Problem+JSON',
    'image/svg+xml',
    'text/css',
  ]
  for (const type of types) assert.equal(isCompressibleType(type), true, type)
  const others = [
    ...[
      'text/event-stream',
      'application/x-ndjson',
      'application/grpc+json',
      'application/json-seq',
      'image/png',
    ],
    ...['application/octet-stream', 'application/zip', 'video/mp4', 'font/woff2', ''],
  ]
  for (const type of others) assert.equal(isCompressibleType(type), false, type)
})
