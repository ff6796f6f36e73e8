import { writeFileSync } from 'node:fs'
import { generated } from './generated.js'

/** `npm run generate`: writes the files that are made from tables and schemas. */
for (const [path, text] of Object.entries(generated)) {
  writeFileSync(new URL(`../../../${path}`, import.meta.url), await text())
  console.log(path)
}
