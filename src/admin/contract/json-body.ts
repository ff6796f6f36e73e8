import { InvalidRequestError } from '../../proxy/downstream/errors/errors.js'
import { JsonError, parseJson } from '../../text/json-fault.js'

/** Parses the body of a call as JSON. @throws {InvalidRequestError} with the place at which the text is not JSON */
export function readJsonBody(text: string): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof JsonError) throw new InvalidRequestError(`the body is not JSON: ${error.message}`)
    throw error
  }
}
