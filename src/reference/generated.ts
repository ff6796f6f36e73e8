import { generated as settingsFiles } from '../config/reference/generated.js'
import { adminApiPage } from './admin-api-page.js'

/** Functions that return the text of each generated file, by the path of the file in the repository. */
export const generated: Readonly<Record<string, () => string | Promise<string>>> = {
  ...settingsFiles,
  'docs/reference/admin-api.md': adminApiPage,
}
