import { generated as settingsFiles } from '../config/reference/generated.js'
import { adminApiPage } from './admin-api-page.js'

/** Every file that is made from tables and schemas, as a path below the repository, and its text. */
export const generated: Readonly<Record<string, () => string | Promise<string>>> = {
  ...settingsFiles,
  'docs/reference/admin-api.md': adminApiPage,
}
