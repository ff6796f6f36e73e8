/** The style sheet of the page `/docs`. */
export const docsStyle = `:root {
  color-scheme: light dark;
  --text: #1d2329;
  --quiet: #57606a;
  --ground: #ffffff;
  --raised: #f4f6f8;
  --line: #d4dae0;
  --link: #0757b8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e4e8ec;
    --quiet: #a0aab4;
    --ground: #14181c;
    --raised: #1e242a;
    --line: #39424b;
    --link: #7db7ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0;
  font: 16px/1.5 system-ui, sans-serif;
  color: var(--text);
  background: var(--ground);
}
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; padding: 0.5rem 1rem; background: var(--raised); }
.skip:focus { left: 0; }
header, main, nav { max-width: 60rem; margin: 0 auto; padding: 1rem 1.5rem; }
nav ul { margin: 0 0 0.75rem; padding: 0; list-style: none; }
nav p, .quiet { margin: 0; color: var(--quiet); }
h1, h2, h3, h4 { line-height: 1.25; }
h2 { margin-top: 3rem; padding-bottom: 0.25rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2.5rem; }
h4 { margin: 1.25rem 0 0.25rem; }
code, pre { font: 0.875rem/1.45 ui-monospace, monospace; }
h3 code { font-size: 1.125rem; font-weight: 600; }
pre {
  margin: 0.5rem 0;
  padding: 0.75rem 1rem;
  overflow-x: auto;
  background: var(--raised);
  border: 1px solid var(--line);
  border-radius: 6px;
}
table { width: 100%; border-collapse: collapse; }
th, td { padding: 0.35rem 0.75rem 0.35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
td, tbody th { overflow-wrap: break-word; }
td:last-child { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  td, tbody th { overflow-wrap: anywhere; }
}
details { margin: 0.25rem 0; }
summary { cursor: pointer; }
`
