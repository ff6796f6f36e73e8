import { acceptedValues, type Schema } from '../contract/schema-text.js'
import type { Answer, Call, Content, Description, Parameter } from './document.js'
import { examples } from './examples.js'
import { Html, html } from './html.js'

/**
 * Returns the page that shows an OpenAPI description of the API.
 * @param base URL of the API without a path, for example commands that users paste into a shell
 */
export function docsPage(description: Description, base: string): Html {
  const { info, tags, paths, components } = description
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, call]) => ({ method: method.toUpperCase(), path, call })),
  )
  const groups = tags
    .map((tag) => ({ ...tag, calls: calls.filter(({ call }) => call.tags.includes(tag.name)) }))
    .filter((group) => group.calls.length > 0)
  const schemas = Object.entries(components.schemas)
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${info.title}</title>
<link rel="stylesheet" href="docs/style.css">
</head>
<body>
<a class="skip" href="#calls">Skip to the calls</a>
<header>
<h1>${info.title} <small class="quiet">${info.version}</small></h1>
${prose(info.description)}
${components.securitySchemes && html`<p>Calls need the token, sent as in the examples; those that need none say so.</p>`}
<p>For programs: <a href="openapi.json">openapi.json</a></p>
</header>
<nav aria-label="Calls">
${groups.map(
  (group) => html`<p>${group.name}</p>
<ul>${group.calls.map(({ method, path, call }) => html`<li><a href="#${call.operationId}"><code>${method} ${path}</code></a> ${call.summary}</li>`)}</ul>
`,
)}<p>Schemas</p>
<ul>${schemas.map(([name]) => html`<li><a href="#schema-${name}">${name}</a></li>`)}</ul>
</nav>
<main id="calls" tabindex="-1">
${groups.map(
  (group) => html`<h2>${group.name}</h2>
${prose(group.description)}
${group.calls.map(({ method, path, call }) => section(method, path, call, base, components.securitySchemes !== undefined))}`,
)}<h2>Schemas</h2>
${schemas.map(
  ([name, schema]) => html`<section aria-labelledby="schema-${name}">
<h3 id="schema-${name}">${name}</h3>
${prose(schema.description)}
${schema.properties ? fields(schema) : html`<p>${kind(schema)}</p>`}
</section>
`,
)}</main>
</body>
</html>
`
}

function section(method: string, path: string, call: Call, base: string, hasToken: boolean): Html {
  return html`<section aria-labelledby="${call.operationId}">
<h3 id="${call.operationId}"><code>${method} ${path}</code></h3>
<p><strong>${call.summary}.</strong>${hasToken && !call.security ? ' Needs no token.' : ''}</p>
${prose(call.description)}
${block(examples(method, path, call, base).join('\n'), `Example of ${method} ${path}`)}
${call.parameters && parameters(call.parameters)}
${call.requestBody && body(call.requestBody)}
<h4>Answers</h4>
${Object.entries(call.responses).map(([status, answer]) => answered(status, answer))}</section>
`
}

function parameters(given: Parameter[]): Html {
  return table(
    'Parameters',
    given.map(({ name, in: place, description, schema }) => [
      name,
      html`${kind(schema)}, in the ${place}`,
      inline(description ?? ''),
    ]),
  )
}

function body({ required, content }: { required: boolean; content: Content }): Html {
  const schema = content['application/json']?.schema
  return html`<h4>Body${required ? '' : ', which may be left out'}</h4>
${schema && (schema.properties && Object.keys(schema.properties).length > 0 ? fields(schema) : html`<p>${kind(schema)}${schema.properties && ' without fields'}</p>`)}`
}

function answered(status: string, { description, headers = {}, content = {} }: Answer): Html {
  const shown = Object.values(content).flatMap(({ example, examples: several = {} }) =>
    [example, ...Object.values(several).map(({ value }) => value)].filter((value) => value !== undefined),
  )
  const schemas = Object.entries(content).map(([type, { schema }]) => {
    if (type !== 'application/json') return html`<p><code>${type}</code></p>`
    return schema.properties ? fields(schema) : html`<p>${kind(schema)}</p>`
  })
  return html`<details${new Html(Number(status) < 400 ? ' open' : '')}>
<summary><code>${status}</code> ${inline(description)}</summary>
${schemas}
${Object.entries(headers).map(([name, header]) => html`<p><code>${name}</code>: ${inline(header.description)}</p>`)}
${shown.map((value) => block(typeof value === 'string' ? value : JSON.stringify(value, null, 2), `Example of ${status}`))}</details>
`
}

/** Returns a table of the fields of an object, including the fields of the objects in it. */
function fields(schema: Schema): Html {
  return table('Fields', rows(schema))
}

function rows(
  { properties = {}, required = [] }: Schema,
  path = '',
  optional = false,
): [string, Html, Html][] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const missing = optional || !required.includes(name)
    const row: [string, Html, Html] = [
      path + name,
      html`${kind(schema)}${missing && !path ? '; may be left out' : ''}`,
      inline(schema.description ?? ''),
    ]
    return [
      row,
      ...rows(schema, `${path}${name}.`, missing),
      ...rows(schema.items ?? {}, `${path}${name}[].`),
    ]
  })
}

function table(caption: string, lines: [string, Html, Html][]): Html {
  return html`<table aria-label="${caption}">
<thead><tr><th scope="col">Name</th><th scope="col">Kind</th><th scope="col">Meaning</th></tr></thead>
<tbody>${lines.map(
    ([
      name,
      what,
      meaning,
    ]) => html`<tr><th scope="row"><code>${name}</code></th><td>${what}</td><td>${meaning}</td></tr>
`,
  )}</tbody>
</table>`
}

function kind(schema: Schema): Html {
  const name = schema.$ref?.split('/').at(-1)
  if (name !== undefined) return html`<a href="#schema-${name}">${name}</a>`
  if (schema.items?.type === 'string') return html`a list of strings`
  if (schema.items) return html`a list of ${kind(schema.items)}`
  return html`${acceptedValues(schema) ?? 'anything'}`
}

/** Returns a block of code to copy. The block can have the focus, so that it can be scrolled by keyboard. */
function block(text: string, label: string): Html {
  return html`<pre tabindex="0" role="region" aria-label="${label}"><code>${text}</code></pre>`
}

function prose(text = ''): Html {
  return html`${text.split('\n\n').map((paragraph) => html`<p>${inline(paragraph)}</p>`)}`
}

/** Returns a text in which parts between backticks are set as code. */
function inline(text: string): Html {
  return html`${text.split('`').map((part, i) => (i % 2 === 0 ? part : html`<code>${part}</code>`))}`
}
