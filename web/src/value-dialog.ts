/** The dialog in which the values of a template's placeholders are chosen. */

import { Choosing, isHash, type Offered, type Row, type ValueText } from './choices'
import { button, element } from './dom'
import { Latest } from './latest'
import { matches, openModal, searchBox } from './modal'
import { counted, errorElements, type Preview } from './preview'
import { type Texts } from './texts'

export interface Offer {
  name: string
  placeholders: Offered[]
}

/** One value in the list; `words` is what a search looks in. */
interface Line {
  place: number
  box: HTMLInputElement
  shown: HTMLElement
  words: string
}

const PAGE = 10

export class ValueDialog {
  private readonly choosing: Choosing
  readonly modal: HTMLDialogElement
  private readonly names = element('div', 'sdgen-names')
  private readonly list = element('div', 'sdgen-values')
  private readonly search: HTMLInputElement
  private readonly draw = document.createElement('input')
  private readonly drawing = document.createElement('input')
  private readonly bulk: HTMLElement[]
  private readonly reset: HTMLElement
  private readonly notes = element('div', 'sdgen-notes')
  private readonly total = element('div', 'sdgen-outcome')
  private readonly latest: Latest<string, Preview>
  private readonly counts = new Map<Row, HTMLElement>()
  private readonly radios = new Map<Row, HTMLInputElement>()
  private row: Row
  private readonly lines = new Map<Row, Line[]>()
  private shown: Line[] = []
  private anchor: number | null = null

  /**
   * Open it for a template with placeholders. `text` is what is chosen now, `start` the placeholder to begin with, `preview` what a
   * choice would make; `chosen` gets the new text when the user says yes.
   */
  constructor(
    offer: Offer,
    text: string,
    start: string | undefined,
    private readonly texts: Texts,
    preview: (choices: string, signal: AbortSignal) => Promise<Preview>,
    private readonly chosen: (text: string) => void
  ) {
    this.choosing = new Choosing(offer.placeholders, text)
    const [first] = this.choosing.rows
    if (!first) throw new Error('a template without placeholders has nothing to choose')
    this.row = this.choosing.rows.find((row) => row.name === start) ?? first
    this.search = searchBox(texts.searchValues, () => {
      this.showValues()
    })
    this.bulk = [
      button(texts.all, () => {
        this.setShown(() => true)
      }),
      button(texts.none, () => {
        this.setShown(() => false)
      }),
      button(texts.invert, () => {
        this.setShown((place) => !this.row.picked.has(place))
      })
    ]
    this.reset = button(texts.asTemplate, () => {
      this.row.reset()
      this.showValues()
      this.changed()
    })
    this.latest = new Latest(
      preview,
      (answer) => {
        this.outcome(`${counted(answer, texts)} → `, element('b', 'sdgen-images', texts.images(answer.images)))
      },
      (error) => {
        this.outcome(...errorElements(error, texts))
      },
      200
    )
    this.buildNames()
    const footer = element(
      'div',
      'sdgen-modal-foot',
      this.total,
      button(texts.cancel, () => {
        this.modal.close()
      }),
      this.yes()
    )
    const side = element('div', 'sdgen-side', this.buildTools(), this.list)
    this.modal = openModal(
      'value-dialog',
      texts.valuesOf(offer.name),
      [element('div', 'sdgen-modal-body', this.names, side), this.notes, footer],
      texts.cancel,
      () => {
        this.latest.clear()
      }
    )
    this.modal.addEventListener('keydown', (event) => {
      this.pressed(event)
    })
    this.show(this.row)
    this.radios.get(this.row)?.scrollIntoView({ block: 'nearest' })
    this.search.focus()
  }

  private outcome(...shown: (HTMLElement | string)[]): void {
    this.total.classList.remove('sdgen-stale')
    this.total.replaceChildren(...shown)
  }

  private yes(): HTMLElement {
    const made = button(this.texts.apply, () => {
      this.accept()
    })
    made.classList.add('sdgen-main')
    return made
  }

  private accept(): void {
    const { text } = this.choosing
    this.modal.close()
    this.chosen(text)
  }

  private buildNames(): void {
    this.names.setAttribute('role', 'radiogroup')
    for (const row of this.choosing.rows) {
      const radio = document.createElement('input')
      radio.type = 'radio'
      radio.name = 'sdgen-name'
      radio.addEventListener('change', () => {
        this.show(row)
      })
      const count = element('span', 'sdgen-count')
      this.names.append(element('label', 'sdgen-name-row', radio, element('span', 'sdgen-name', row.name), count))
      this.counts.set(row, count)
      this.radios.set(row, radio)
    }
  }

  private buildTools(): HTMLElement {
    this.drawing.type = 'checkbox'
    this.draw.type = 'number'
    this.draw.min = '1'
    this.draw.setAttribute('aria-label', this.texts.drawSome)
    this.drawing.addEventListener('change', () => {
      this.setDraw()
    })
    this.draw.addEventListener('input', () => {
      this.drawing.checked = true
      this.setDraw()
    })
    const drawing = element('label', 'sdgen-draw', this.drawing, this.texts.drawSome, this.draw)
    drawing.title = this.texts.drawSomeTip
    return element(
      'div',
      'sdgen-tools',
      this.search,
      element('div', 'sdgen-bulk', ...this.bulk, this.reset, drawing)
    )
  }

  private setDraw(): void {
    const wanted = Math.floor(Number(this.draw.value))
    this.row.setDraw(this.drawing.checked && wanted >= 1 ? wanted : null)
    this.changed()
  }

  /** Show the values of a placeholder. */
  private show(row: Row): void {
    this.row = row
    this.search.value = ''
    this.draw.value = String(row.draw ?? 1)
    this.draw.max = String(row.values.length)
    this.drawing.checked = row.draw !== null
    const radio = this.radios.get(row)
    if (radio) radio.checked = true
    this.list.scrollTop = 0
    this.showValues()
    this.changed()
  }

  /** The values that match the search. */
  private showValues(): void {
    const search = this.search.value.trim()
    const { row } = this
    const every = this.lines.get(row) ?? row.values.map(([key, value], place) => this.line(key, value, place))
    this.lines.set(row, every)
    this.anchor = null
    this.shown = search ? every.filter(({ words }) => matches(words, search)) : every
    this.shown.forEach(({ place, box }, at) => {
      box.checked = row.picked.has(place)
      box.tabIndex = at ? -1 : 0
    })
    this.list.replaceChildren(...this.shown.map(({ shown }) => shown))
    if (!this.shown.length) this.list.append(element('div', 'sdgen-dim', this.texts.nothingFound))
    const [all, none] = this.bulk
    const some = this.shown.length < every.length
    if (all) all.textContent = some ? this.texts.allShown(this.shown.length) : this.texts.all
    if (none) none.textContent = some ? this.texts.noneShown(this.shown.length) : this.texts.none
  }

  private line(key: string, value: ValueText, place: number): Line {
    const text = valueText(value)
    const box = document.createElement('input')
    box.type = 'checkbox'
    const nameless = isHash(key) && typeof value === 'string'
    const shown = element('label', 'sdgen-value', box, !nameless && element('span', 'sdgen-key', key), element('span', 'sdgen-text', text))
    shown.title = nameless ? text : `${key}: ${text}`
    box.addEventListener('click', (event) => {
      this.toggled(
        this.shown.findIndex((line) => line.box === box),
        event.shiftKey
      )
    })
    return { place, box, shown, words: nameless ? text : `${key} ${text}` }
  }

  /** A value was clicked; with Shift everything from the last click to here becomes as it is. */
  private toggled(at: number, range: boolean): void {
    const on = this.shown[at]?.box.checked ?? false
    const from = range && this.anchor !== null ? this.anchor : at
    const places = this.shown.slice(Math.min(from, at), Math.max(from, at) + 1)
    this.row.set(
      places.map(({ place }) => place),
      () => on
    )
    for (const { box } of places) box.checked = on
    this.anchor = at
    this.changed()
  }

  private setShown(on: (place: number) => boolean): void {
    this.row.set(
      this.shown.map(({ place }) => place),
      on
    )
    for (const { place, box } of this.shown) box.checked = this.row.picked.has(place)
    this.changed()
  }

  /** Counts, remarks and the total after something was chosen. */
  private changed(): void {
    const { texts } = this
    for (const [row, count] of this.counts) {
      count.textContent = rowCount(row, texts)
      count.parentElement?.classList.toggle('sdgen-changed', row.changed)
      count.parentElement?.classList.toggle('sdgen-left-out', !row.picked.size || row.unknown.length > 0)
    }
    this.reset.toggleAttribute('disabled', !this.row.changed)
    this.drawing.checked = this.row.draw !== null
    const notes = [
      ...this.choosing.rows.filter((row) => row.unknown.length).map((row) => note(texts.notThere(row.name, row.unknown.join(', ')))),
      ...[...this.choosing.strangers].map(([name, selector]) => this.stranger(name, selector)),
      ...this.choosing.unread.map((piece) => note(texts.notRead(piece))),
      ...(this.row.picked.size || this.row.unknown.length ? [] : [note(texts.leftOutNote(this.row.name))])
    ]
    this.notes.replaceChildren(...notes)
    if (this.latest.update(this.choosing.text)) this.total.classList.add('sdgen-stale')
  }

  /** A choice for a placeholder that the template does not have; it can be removed. */
  private stranger(name: string, selector: string): HTMLElement {
    const made = note(this.texts.notThere(`${name}[${selector}]`, name))
    const remove = button(this.texts.remove, () => {
      this.choosing.strangers.delete(name)
      this.changed()
    })
    made.append(remove)
    return made
  }

  private pressed(event: KeyboardEvent): void {
    const { key } = event
    const target = event.target
    const at = this.shown.findIndex(({ box }) => box === target)
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE, Home: -Infinity, End: Infinity }
    const step = steps[key]
    const inNames = target instanceof HTMLInputElement && target.type === 'radio'
    if (key === 'Enter' && target === this.search && this.search.value) this.focusValue(0)
    else if (key === 'Enter' && target instanceof HTMLInputElement) this.accept()
    else if (at >= 0 && key === 'a' && (event.ctrlKey || event.metaKey)) this.setShown(() => true)
    else if (at >= 0 && key === 'ArrowLeft') this.radios.get(this.row)?.focus()
    else if (at === 0 && key === 'ArrowUp') this.search.focus()
    else if (at >= 0 && step !== undefined) this.focusValue(at + step)
    else if (target === this.search && key === 'ArrowDown') this.focusValue(0)
    else if (inNames && key === 'ArrowRight') this.focusValue(0)
    else return
    event.preventDefault()
  }

  private focusValue(at: number): void {
    const wanted = this.shown[Math.min(Math.max(at, 0), this.shown.length - 1)]
    if (!wanted) return
    for (const { box } of this.shown) box.tabIndex = box === wanted.box ? 0 : -1
    wanted.box.focus()
    wanted.box.scrollIntoView({ block: 'nearest' })
  }
}

/** A value as people read it; several parts in one line. */
export function valueText(value: ValueText): string {
  if (typeof value === 'string') return value
  return Object.entries(value)
    .map(([part, text]) => `${part}: ${text}`)
    .join(' · ')
}

/** `3 of 40`, `2 drawn from 40`, or that it is left out. */
export function rowCount(row: Row, texts: Texts): string {
  if (!row.picked.size) return row.unknown.length ? texts.selected(0, row.values.length) : texts.leftOut
  if (row.draw !== null && row.draw < row.picked.size) return texts.drawnFrom(row.draw, row.picked.size)
  return texts.selected(row.picked.size, row.values.length)
}

function note(text: string): HTMLElement {
  return element('div', 'sdgen-warning', element('span', '', text))
}
