import type { Static, TSchema } from 'typebox'
import type { SettingType } from '../setting-types.js'

/** One setting, with everything that the code, error messages and documents need to know about it. */
export interface Setting<S extends TSchema = TSchema> {
  type: SettingType<S>
  default: Static<S>
  /**
   * Meaning of the setting, in Markdown, understandable without the texts of other settings. The text calls other
   * settings by their environment variables, and its links are paths relative to the folder `docs`.
   */
  meaning: string
  /** Meaning of the plugin's option, if the option is written in another form than the environment variable. */
  meaningOfOption?: string
  /** True if the value is secret, so that error messages must not repeat it. */
  secret?: boolean
}

/** A group of settings that documents show together, under one title. */
export interface Group<T extends Record<string, Setting> = Record<string, Setting>> {
  title: string
  settings: T
}

/** Returns its argument. It exists so that the compiler checks the default against the type of the setting. */
export function setting<S extends TSchema>(described: Setting<S>): Setting<S> {
  return described
}

export function group<T extends Record<string, Setting>>(title: string, settings: T): Group<T> {
  return { title, settings }
}
