import { writeFileSync } from 'node:fs'
import { generated } from './generated.js'

/** `npm run generate`: writes the files that are made from the table of settings. */
for (const [path, text] of Object.entries(generated)) {
  writeFileSync(new URL(`../../../../${path}`, import.meta.url), text())
  console.log(path)
}
