import { writeFileSync } from 'node:fs'
import { generated } from './generated.js'

/** Writes all files that are generated from tables and schemas; `npm run generate` runs this file. */
for (const [path, text] of Object.entries(generated)) {
  writeFileSync(new URL(`../../../${path}`, import.meta.url), await text())
  console.log(path)
}
