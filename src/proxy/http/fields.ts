/** Header fields by lower-case name; what came in several lines is a list. */
export type Headers = Record<string, string | string[] | undefined>

/** Header fields line by line: a name, its value, a name, its value, ... */
export type FieldLines = string[]

/** What becomes of request fields with an underscore in their name, which some servers take for a hyphen. */
export type UnderscoreHeaders = 'drop' | 'pass'
