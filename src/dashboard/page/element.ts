/** Returns an element of the page's HTML by its id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id)
  if (!element) throw new Error(`the page has no ${id}`)
  return element as T
}

/** Makes an element. Its text is inserted as text, and never parsed as HTML. */
export function create<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name)
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value)
  element.append(...children)
  return element
}

/** Sets the text of an element only if the text differs, because even the same text would cost a layout of the page. */
export function setText(element: HTMLElement, text: string): void {
  const { firstChild } = element
  if (firstChild instanceof Text && !firstChild.nextSibling) {
    if (firstChild.data !== text) firstChild.data = text
  } else element.textContent = text
}
