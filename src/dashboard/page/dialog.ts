import { byId, create, setText } from './element.js'

/** An input field of a dialog. */
export type Field = {
  name: string
  label: string
  hint?: string
  value?: string
} & (
  | { kind: 'text' | 'password'; required?: boolean }
  | { kind: 'number'; min: number; max: number; required?: boolean }
  | { kind: 'choice'; options: readonly (readonly [value: string, label: string, hint?: string])[] }
)

export interface Question {
  title: string
  text?: string
  /** What clients will notice of the action. */
  warning?: string | undefined
  fields?: Field[]
  /** Label of the button that carries out the action. */
  action: string
  /** Whether the action removes something. */
  danger?: boolean
  /**
   * Carries out the action. An error is shown, and the dialog stays open. @param signal aborts when the dialog is
   * closed
   */
  act(values: Record<string, string>, signal: AbortSignal): Promise<void>
}

const dialog = byId<HTMLDialogElement>('dialog')
const form = byId<HTMLFormElement>('dialog-form')
const fields = byId('dialog-fields')
const message = byId('dialog-error')
const button = byId<HTMLButtonElement>('dialog-action')

let question: Question | undefined
let opener: HTMLElement | null = null
/** Aborts the action that is being carried out. */
let doing: AbortController | undefined

/** Asks for confirmation of an action. The focus returns to its former place when the dialog closes. */
export function ask(next: Question): void {
  question = next
  setText(byId('dialog-title'), next.title)
  setText(byId('dialog-text'), next.text ?? '')
  setText(byId('dialog-warning'), next.warning ?? '')
  setText(button, next.action)
  setText(message, '')
  button.classList.toggle('danger', next.danger === true)
  fields.replaceChildren(...(next.fields ?? []).map(build))
  if (!dialog.open) {
    opener = document.activeElement as HTMLElement | null
    dialog.showModal()
  }
  const first = fields.querySelector<HTMLElement>('input:checked, input')
  if (first) first.focus()
  else button.focus()
}

/** Whether a dialog is open. */
export function isAsking(): boolean {
  return dialog.open
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  if (!question || doing) return
  const asked = question
  const own = new AbortController()
  doing = own
  button.disabled = true
  setText(message, '')
  try {
    const entries = [...new FormData(form)].map(([name, value]) => [name, String(value).trim()])
    await asked.act(Object.fromEntries(entries), own.signal)
    if (question === asked) dialog.close()
  } catch (error) {
    if (question === asked) setText(message, (error as Error).message)
  } finally {
    if (doing === own) {
      doing = undefined
      button.disabled = false
    }
    if (dialog.open && document.activeElement === document.body) button.focus()
  }
})
byId('dialog-cancel').addEventListener('click', () => dialog.close())
dialog.addEventListener('close', () => {
  question = undefined
  // A call that has not left the browser by now is not made at all.
  doing?.abort()
  doing = undefined
  button.disabled = false
  // A token that was typed must not stay in the page.
  fields.replaceChildren()
  if (document.activeElement !== document.body) return
  // The button that opened the dialog may be gone, because the action has been carried out.
  const next = opener?.isConnected ? opener.parentElement?.querySelector('button:not([hidden])') : null
  const target = (next as HTMLElement | null) ?? byId('backends')
  target.focus()
})

function build(field: Field): HTMLElement {
  if (field.kind === 'choice') {
    const options = field.options.map(([value, label, explained]) => {
      const input = create('input', { type: 'radio', name: field.name, value })
      input.checked = value === field.value
      const words = create('span', {}, label)
      if (explained !== undefined) words.append(create('span', { class: 'hint' }, explained))
      return create('label', { class: 'choice' }, input, words)
    })
    return create('fieldset', {}, create('legend', {}, field.label), ...options)
  }
  const id = `field-${field.name}`
  const input = create('input', { id, name: field.name, type: field.kind, autocomplete: 'off' })
  if (field.kind === 'number') {
    input.min = String(field.min)
    input.max = String(field.max)
    input.inputMode = 'numeric'
  } else input.spellcheck = false
  input.required = field.required === true
  input.value = field.value ?? ''
  const parts: HTMLElement[] = [create('label', { for: id }, field.label), input]
  if (field.hint !== undefined) {
    parts.push(create('span', { class: 'hint', id: `${id}-hint` }, field.hint))
    input.setAttribute('aria-describedby', `${id}-hint`)
  }
  return create('div', { class: 'field' }, ...parts)
}
