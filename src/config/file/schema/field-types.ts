import { isToken } from '../../../proxy/http/fields.js'
import { passedOn } from '../../../proxy/http/methods.js'
import { optional, textField } from './shape.js'

export const POOL_NAME = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/
export const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/
export const fieldNames = 'a name of a header field'

export const text = (accepts: string, description: string) =>
  textField(accepts, description, (value) => value !== '')
export const file = (description: string) => text('the path of a file', description)
export const fieldName = (description: string) => textField(fieldNames, description, isToken)

export const method = () =>
  textField('a method of HTTP', 'A method.', (value) => passedOn.includes(value.toUpperCase()))

export const forwardField = (what: string) =>
  optional(fieldName(`Request field that gets ${what}; no client can set it.`))
