import { Command } from 'commander'

const help = `
Examples:
  leastwise schema > leastwise.schema.json

An editor with the YAML language server checks and completes a file whose first
line is:
  # yaml-language-server: $schema=leastwise.schema.json`

/** Makes the command `leastwise schema`. */
export function schemaCommand(): Command {
  return new Command('schema')
    .description("print the JSON Schema of a gateway's file, for editors")
    .option('--json', 'print JSON, which it always does')
    .addHelpText('after', help)
    .action(async () => {
      const { fileJsonSchema } = await import('../config/file/schema/json-schema.js')
      process.stdout.write(`${JSON.stringify(fileJsonSchema(), null, 2)}\n`)
    })
}
