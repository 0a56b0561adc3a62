/** What else can be done with a session: a menu at its panel, and a small window for what needs a word, a number or a look. */

import { button, element } from './dom'
import { openLayer, openModal } from './modal'
import { errorElements } from './preview'
import { type Action, ACTIVE, type Answer, type Session, type Sessions } from './sessions'
import { openSheet } from './sheet-dialog'
import type { Texts } from './texts'

type Values = Record<string, string>

interface Field {
  name: string
  label: string
  kind: 'number' | 'text' | 'select' | 'checkbox'
  value?: string
  options?: string[]
}

interface Form {
  title: string
  note: string
  fields: Field[]
  send(values: Values): Promise<Answer>
  said(answer: Answer): string[]
}

interface Entry {
  label: string
  press: () => void
  can?: boolean
}

/** Called with what to say when something was done, and with the error when it was not. */
type Say = (lines: string[]) => void
type Fail = (error: unknown) => void

/** Open the menu at the button `at`. */
export function openSessionMenu(
  at: HTMLElement,
  session: Session,
  sessions: Sessions,
  texts: Texts,
  say: Say,
  fail: Fail
): HTMLDialogElement {
  const panel = at.closest('.sdgen-panel')
  const back = (): void => {
    panel?.querySelector<HTMLElement>('.sdgen-more')?.focus({ preventScroll: true })
  }
  const ask = (made: Form) => () => {
    openForm(made, texts, say, fail, back)
  }
  const now = (action: Action, body: object, line: (answer: Answer) => string) => () => {
    void sessions.act(session, action, body).then((answer) => {
      say([line(answer)])
    }, fail)
  }
  const atRest = !ACTIVE.includes(session.state)
  const toMove = async (): Promise<void> => {
    ask(moving(session, sessions, texts, await sessions.places(session)))()
  }
  const entries: Entry[] = [
    { label: texts.compare, press: () => void openSheet(session, texts, back).catch(fail), can: session.done > 0 },
    { label: texts.extend, press: ask(extending(session, sessions, texts)) },
    { label: texts.shrink, press: ask(shrinking(session, sessions, texts)) },
    { label: texts.skip, press: ask(skipping(session, sessions, texts)) }
  ]
  if (session.failed > 0) {
    const line = (answer: Answer): string => texts.leftOutNow(answer.skipped_now ?? 0)
    entries.push({ label: texts.skipFailed, press: now('skip', { items: 'failed' }, line) })
  }
  if (session.skipped > 0) {
    const line = (answer: Answer): string => texts.again(answer.retried ?? 0)
    entries.push({ label: texts.takeBack, press: now('retry', { skipped: true }, line) })
  }
  entries.push(
    { label: texts.verify, press: ask(verifying(session, sessions, texts)) },
    { label: texts.rename, press: ask(renaming(session, sessions, texts)), can: atRest },
    { label: texts.move, press: () => void toMove().catch(fail), can: atRest },
    { label: texts.rebuild, press: ask(rebuilding(session, sessions, texts)), can: atRest }
  )
  const items = entries.map(({ label, press, can = true }) => {
    const made = button(label, () => {
      layer.close()
      press()
    }) as HTMLButtonElement
    made.setAttribute('role', 'menuitem')
    made.disabled = !can
    if (!can && !atRest) made.title = texts.pauseFirst
    return made
  })
  const layer = openLayer('sdgen-menu', texts.moreOf(session.name), items, back)
  layer.setAttribute('role', 'menu')
  layer.addEventListener('keydown', (event) => {
    const usable = items.filter((item) => !item.disabled)
    const place = usable.findIndex((item) => item === document.activeElement)
    const next: Record<string, number> = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: -1 }
    const step = next[event.key]
    if (step === undefined) return
    usable.at(step % usable.length)?.focus()
    event.preventDefault()
  })
  const box = at.getBoundingClientRect()
  const { offsetWidth, offsetHeight } = layer
  layer.style.left = `${Math.max(4, Math.min(box.right - offsetWidth, innerWidth - offsetWidth - 4))}px`
  layer.style.top = `${Math.max(4, Math.min(box.bottom + 2, innerHeight - offsetHeight - 4))}px`
  items.find((item) => !item.disabled)?.focus()
  return layer
}

function openForm(form: Form, texts: Texts, say: Say, fail: Fail, closed: () => void): HTMLDialogElement {
  const inputs = form.fields.map((field) => [field, input(field)] as const)
  const rows = inputs.map(([field, made]) => {
    const label = element('span', '', field.label)
    return element('label', `sdgen-field sdgen-${field.kind}`, ...(field.kind === 'checkbox' ? [made, label] : [label, made]))
  })
  const notes = element('div', 'sdgen-form-notes')
  notes.setAttribute('role', 'alert')
  const go = button(texts.go, () => {
    body.requestSubmit()
  }) as HTMLButtonElement
  go.classList.add('sdgen-main')
  const cancel = button(texts.cancel, () => {
    modal.close()
  })
  const body = element('form', 'sdgen-form', element('div', 'sdgen-dim', form.note), ...rows, notes) as HTMLFormElement
  body.noValidate = true
  body.addEventListener('submit', (event) => {
    event.preventDefault()
    if (go.disabled) return
    go.disabled = true
    const values = Object.fromEntries(inputs.map(([field, made]) => [field.name, valueOf(made)]))
    form.send(values).then(
      (answer) => {
        modal.close()
        say(form.said(answer))
      },
      (error: unknown) => {
        go.disabled = false
        notes.replaceChildren(...errorElements(error, texts))
        fail(error)
      }
    )
  })
  // Enter in a field submits only a form that has a submit button of its own.
  const submit = document.createElement('input')
  submit.type = 'submit'
  submit.hidden = true
  body.append(submit)
  const foot = element('div', 'sdgen-modal-foot', element('span', 'sdgen-outcome'), cancel, go)
  const modal = openModal('session-dialog', form.title, [body, foot], texts.cancel, closed)
  ;(inputs[0]?.[1] ?? go).focus()
  return modal
}

function input(field: Field): HTMLInputElement | HTMLSelectElement {
  if (field.kind === 'select') {
    const made = document.createElement('select')
    made.append(...(field.options ?? []).map((option) => new Option(option, option)))
    return made
  }
  const made = document.createElement('input')
  made.type = field.kind
  made.name = field.name
  made.spellcheck = false
  if (field.kind === 'number') made.min = '1'
  if (field.value !== undefined) made.value = field.value
  return made
}

/** What stands in an input; of a box `1` when it is checked. */
function valueOf(made: HTMLInputElement | HTMLSelectElement): string {
  if (!(made instanceof HTMLInputElement) || made.type !== 'checkbox') return made.value.trim()
  return made.checked ? '1' : ''
}

function titled(title: string, session: Session): string {
  return `${title.replace(/ …$/, '')}: ${session.name}`
}

function extending(session: Session, sessions: Sessions, texts: Texts): Form {
  return {
    title: titled(texts.extend, session),
    note: texts.extendNote,
    fields: [
      { name: 'more', label: texts.extendMore, kind: 'number' },
      { name: 'seeds', label: texts.extendSeeds, kind: 'text' }
    ],
    send: ({ more, seeds }) => sessions.act(session, 'extend', { more: Number(more), seeds }),
    said: ({ added }) => [texts.extended(added ?? 0)]
  }
}

function shrinking(session: Session, sessions: Sessions, texts: Texts): Form {
  return {
    title: titled(texts.shrink, session),
    note: texts.shrinkNote,
    fields: [{ name: 'count', label: texts.shrinkTo, kind: 'number', value: String(session.planned) }],
    send: ({ count }) => sessions.act(session, 'shrink', { count: Number(count) }),
    said: ({ removed }) => [texts.shrunk(removed ?? 0)]
  }
}

function skipping(session: Session, sessions: Sessions, texts: Texts): Form {
  return {
    title: titled(texts.skip, session),
    note: texts.skipNote,
    fields: [{ name: 'items', label: texts.skipItems, kind: 'text' }],
    send: ({ items }) => sessions.act(session, 'skip', { items }),
    said: (answer) => [texts.leftOutNow(answer.skipped_now ?? 0)]
  }
}

function renaming(session: Session, sessions: Sessions, texts: Texts): Form {
  return {
    title: titled(texts.rename, session),
    note: texts.renameNote,
    fields: [{ name: 'name', label: texts.newName, kind: 'text', value: session.name }],
    send: ({ name }) => sessions.act(session, 'rename', { name }),
    said: ({ name }) => [texts.renamed(name)]
  }
}

function moving(session: Session, sessions: Sessions, texts: Texts, places: string[]): Form {
  return {
    title: titled(texts.move, session),
    note: texts.moveNote,
    fields: [{ name: 'to', label: texts.moveTo, kind: 'select', options: places }],
    send: ({ to }) => sessions.act(session, 'move', { to }),
    said: ({ folder }) => [texts.moved(folder)]
  }
}

function verifying(session: Session, sessions: Sessions, texts: Texts): Form {
  return {
    title: titled(texts.verify, session),
    note: texts.verifyNote,
    fields: [
      { name: 'hashes', label: texts.verifyHashes, kind: 'checkbox' },
      { name: 'repair', label: texts.verifyRepair, kind: 'checkbox' }
    ],
    send: ({ hashes, repair }) => sessions.act(session, 'verify', { hashes: hashes === '1', repair: repair === '1' }),
    said: (answer) => findings(answer, texts)
  }
}

function rebuilding(session: Session, sessions: Sessions, texts: Texts): Form {
  return {
    title: titled(texts.rebuild, session),
    note: texts.rebuildNote,
    fields: [],
    send: () => sessions.rebuild(session),
    said: ({ done, planned }) => [texts.rebuilt(done, planned)]
  }
}

/** What a check found, a line for each kind, and what to do about it. */
export function findings({ verify }: Answer, texts: Texts): string[] {
  if (!verify) return []
  const kinds = Object.entries(texts.found).flatMap(([kind, name]) => {
    const found = verify[kind]
    if (!Array.isArray(found) || !found.length) return []
    return [`${name}: ${found.length} (${found.slice(0, 3).join(', ')}${found.length > 3 ? ' …' : ''})`]
  })
  return [verify.ok ? texts.agree : texts.disagree, ...kinds, ...(verify.advice ?? [])]
}
