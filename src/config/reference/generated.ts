import { envExample } from './env-example.js'
import { poolOptions } from './pool-options.js'
import { settingsPage } from './settings-page.js'

/** Functions that generate files from the table of settings, by the path of the file in the repository. */
export const generated: Readonly<Record<string, () => string>> = {
  '.env.example': envExample,
  'docs/reference/settings.md': settingsPage,
  'src/config/pool-options.ts': poolOptions,
}
