import type { Static, TSchema } from 'typebox'
import type { SettingType } from '../setting-types.js'

/** One setting, with everything that code, messages and documents need to know about it. */
export interface Setting<S extends TSchema = TSchema> {
  type: SettingType<S>
  default: Static<S>
  /**
   * The purpose of the setting, in Markdown. The text is understood without the texts of other settings. It names other
   * settings as environment variables, and its links are paths below `docs`.
   */
  meaning: string
  /** The purpose of the plugin's option, where the option is written in another form. */
  meaningOfOption?: string
  /** Whether messages must not repeat the value. */
  secret?: boolean
}

/** Settings that belong together. */
export interface Group<T extends Record<string, Setting> = Record<string, Setting>> {
  title: string
  settings: T
}

/** Makes one setting: the default has to be of the setting's type. */
export function setting<S extends TSchema>(described: Setting<S>): Setting<S> {
  return described
}

export function group<T extends Record<string, Setting>>(title: string, settings: T): Group<T> {
  return { title, settings }
}
