import { InvalidRequestError } from '../../proxy/downstream/errors/errors.js'
import { JsonError, parseJson } from '../../text/json-fault.js'

/** Reads the body of a call. @throws {InvalidRequestError} that says where it is no JSON */
export function readJsonBody(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof JsonError) throw new InvalidRequestError(`the body is not JSON: ${error.message}`)
    throw error
  }
}
