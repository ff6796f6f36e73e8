import { envExample } from './env-example.js'
import { poolOptions } from './pool-options.js'
import { settingsPage } from './settings-page.js'

/** Files that are made from the table of settings, as paths below the repository, and their text. */
export const generated: Readonly<Record<string, () => string>> = {
  '.env.example': envExample,
  'docs/reference/settings.md': settingsPage,
  'src/config/pool-options.ts': poolOptions,
}
