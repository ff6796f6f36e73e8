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
  /** A sentence that says what clients will notice if the action is carried out. */
  warning?: string | undefined
  fields?: Field[]
  /** Label of the button that carries out the action. */
  action: string
  /** True if the action removes something. Its button then has the class `danger`. */
  danger?: boolean
  /**
   * Carries out the action. If it throws, the dialog shows the error and stays open.
   * @param signal is aborted when the dialog is closed
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
/** Controller that aborts the action that is being carried out; undefined if none is. */
let doing: AbortController | undefined

/**
 * Opens a dialog that asks the user to confirm an action. When the dialog closes, the focus returns to its former
 * place.
 */
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

/** Closes the dialog without an action. */
export function closeDialog(): void {
  dialog.close()
}

/** True if a dialog is open. */
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
  // A call that is still waiting in the browser is not sent after the dialog is closed.
  doing?.abort()
  doing = undefined
  button.disabled = false
  // A token that the user typed must not stay in the page.
  fields.replaceChildren()
  if (document.activeElement !== document.body) return
  // The action may have removed or hidden the button that opened the dialog, so another button beside it gets the
  // focus.
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
