/**
 * The method by which a logger takes the fields of a line as text. Only a logger whose fields nobody changes or hides on
 * their way has it; the logger of somebody else's app gets an object.
 */
export const INFO_AS_TEXT = Symbol('info, fields as text')

export interface TextLogger {
  /** @param fields each as `,"name":value` in JSON */
  [INFO_AS_TEXT](fields: string, message: string): void
}
