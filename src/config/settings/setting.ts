import type { Static, TSchema } from 'typebox'
import type { SettingType } from '../setting-types.js'

/** One setting: everything that code, messages and documents say of it. */
export interface Setting<S extends TSchema = TSchema> {
  type: SettingType<S>
  default: Static<S>
  /**
   * What it is for, in Markdown, as a text that is understood without that of other settings. Other settings are named as
   * environment variables, and links are paths below `docs`.
   */
  meaning: string
  /** The same of the plugin's option, where that is written in another form. */
  meaningOfOption?: string
  /** Whether its value must not be repeated in messages. */
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
