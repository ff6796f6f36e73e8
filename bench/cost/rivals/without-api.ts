import { register } from 'node:module'

// Node imports this file before a gateway that is measured as if `@opentelemetry/api` was not installed.
const hook = `export async function resolve(name, context, next) {
  if (name !== '@opentelemetry/api') return next(name, context)
  throw Object.assign(new Error('not installed'), { code: 'ERR_MODULE_NOT_FOUND' })
}`
register(`data:text/javascript,${encodeURIComponent(hook)}`)
