import { adminApiPage } from './admin-api-page.js'
import { configFilePage } from './config-file-page.js'
import { envExample } from './env-example.js'
import { poolOptions } from './pool-options.js'
import { settingsPage } from './settings-page.js'

/** Functions that return the text of each generated file, by the path of the file in the repository. */
export const generated: Readonly<Record<string, () => string | Promise<string>>> = {
  '.env.example': envExample,
  'docs/reference/settings.md': settingsPage,
  'docs/reference/config-file.md': configFilePage,
  'src/config/pool-options.ts': poolOptions,
  'docs/reference/admin-api.md': adminApiPage,
}
