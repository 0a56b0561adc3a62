/** What a template would make: the question to the server, and its answer as elements. */

import { button, element } from './dom'
import { post, ServerError } from './host'
import { number, type Texts } from './texts'

/** What POST /sdgen/templates/preview is asked: the Template node's widgets; for a planner, its seeds and count too. */
export interface Question {
  file: string
  text: string
  theme: string
  style: string
  mode: string
  limit: number
  choices: string
  distribution: string
  seeds?: string
  count?: number
  planner?: { width: number; height: number; steps: number; checkpoint: string; graph_checkpoint: string }
}

export interface Placeholder {
  name: string
  available: number
  selected: number
  weight: number
  /** Of several themes, the fewest values that one of them gives it; `selected` are the most. */
  least?: number
}

export interface Preview {
  name: string
  mode: string
  placeholders: Placeholder[]
  removed: string[]
  left_out: string[]
  combinations: number
  total_combinations: number
  seeds: number | null
  images: number
  warnings: string[]
  themes?: { theme: string | null; style: string | null; images: number }[]
  model_loads?: number
  seconds?: number | null
  like?: string | null
  first: { prompt: string; negative: string; seed: number; keys: Record<string, string> }[]
}

/** Ask the server. Throws `ServerError` with the template's own error. */
export async function askPreview(question: Question, signal: AbortSignal): Promise<Preview> {
  return (await post('/sdgen/templates/preview', question, signal)) as Preview
}

/** What the lines of a preview can do, and what is particular about them. */
export interface PreviewActions {
  /** The placeholders whose values the node itself chooses. */
  chosen?: ReadonlySet<string>
  /** Choose the values of a placeholder. */
  choose?: (placeholder: string) => void
  /** Remember that the prompt at this place is shown whole, or no longer. */
  unfolded?: Set<number>
  /** The lines need more or less room now. */
  resized?: () => void
}

/** The lines of a preview. */
export function previewElements(preview: Preview, texts: Texts, language: string, actions: PreviewActions = {}): HTMLElement[] {
  const lines = [
    element(
      'div',
      'sdgen-head',
      element('b', 'sdgen-name', preview.name),
      element('span', 'sdgen-dim', texts.mode[preview.mode] ?? preview.mode)
    )
  ]
  const chips = [
    ...preview.placeholders.map((one) => {
      const least = one.least ?? one.selected
      const some = least < one.selected ? texts.between(least, one.selected, one.available) : texts.selected(one.selected, one.available)
      const count = element('b', '', some)
      const made = chip(one.name, count, actions, one.weight === 0 && element('i', '', texts.drawn))
      made.classList.toggle('sdgen-drawn', one.weight === 0)
      if (one.weight === 0) made.title = texts.drawnTip
      return made
    }),
    ...preview.left_out.map((name) => chip(name, element('i', '', texts.leftOut), actions))
  ]
  if (chips.length) lines.push(element('div', 'sdgen-chips', ...chips))
  lines.push(element('div', 'sdgen-total', ...total(preview, texts)))
  if (preview.themes) {
    const shares = preview.themes.map(({ theme, style, images }) => {
      const name = theme ?? texts.noTheme
      return `${style && style !== 'default' ? `${name}/${style}` : name} ${number(images, language)}`
    })
    lines.push(element('div', 'sdgen-dim', texts.sharedBy(shares.join(' · '))))
  }
  if (preview.removed.length) lines.push(element('div', 'sdgen-dim', texts.removed(preview.removed.join(', '))))
  lines.push(...preview.warnings.map((warning) => element('div', 'sdgen-warning', warning)))
  if (preview.first.length) {
    const prompts = preview.first.map((item, at) => prompt(item, at, language, actions))
    lines.push(element('div', 'sdgen-prompts', ...prompts))
  }
  return lines
}

function chip(name: string, count: HTMLElement, actions: PreviewActions, ...more: (HTMLElement | false)[]): HTMLElement {
  const { choose, chosen } = actions
  const press = (): void => {
    choose?.(name)
  }
  const made = choose ? button('', press) : element('span', '')
  made.className = chosen?.has(name) ? 'sdgen-chip sdgen-chosen' : 'sdgen-chip'
  made.append(element('span', '', name), count, ...more.filter((one): one is HTMLElement => Boolean(one)))
  return made
}

/** One of the first prompts: a line, and on a click the whole text with what is not wanted. */
function prompt(item: Preview['first'][number], at: number, language: string, actions: PreviewActions): HTMLElement {
  const { unfolded, resized } = actions
  const made = document.createElement('details')
  made.className = 'sdgen-prompt'
  made.open = unfolded?.has(at) ?? false
  const summary = element('summary', '', element('span', 'sdgen-dim', number(at + 1, language)), item.prompt)
  summary.addEventListener('pointerdown', (event) => {
    event.stopPropagation()
  })
  made.append(summary)
  if (item.negative) made.append(element('div', 'sdgen-dim', `− ${item.negative}`))
  made.addEventListener('toggle', () => {
    if (made.open) unfolded?.add(at)
    else unfolded?.delete(at)
    resized?.()
  })
  return made
}

function total(preview: Preview, texts: Texts): (HTMLElement | string)[] {
  const images = element('b', 'sdgen-images', texts.images(preview.images))
  return [`${counted(preview, texts)} → `, images]
}

/** `48 combinations`, `10 of 48 combinations`, with ` × 4 seeds` when seeds are listed. */
export function counted(preview: Preview, texts: Texts): string {
  const seeds = preview.seeds ?? 1
  const used = Math.ceil(preview.images / Math.max(seeds, 1))
  const combinations =
    used < preview.combinations ? texts.combinationsOf(used, preview.combinations) : texts.combinations(preview.combinations)
  return preview.seeds === null || preview.seeds < 2 ? combinations : `${combinations} × ${texts.seeds(preview.seeds)}`
}

/** An error with its code and what to do about it; of several, the first `most`. The same advice is given once. */
export function errorElements(error: unknown, texts: Texts, most = Infinity): HTMLElement[] {
  if (!(error instanceof ServerError)) return [element('div', 'sdgen-error', texts.noAnswer)]
  const every = error.errors.length ? error.errors : [error]
  const hints = new Set<string>()
  const shown = every.slice(0, most).map((one) => {
    const hint = hints.has(one.hint) ? '' : one.hint
    hints.add(one.hint)
    return element(
      'div',
      'sdgen-error',
      element('div', 'sdgen-message', one.message),
      hint && element('div', '', hint),
      element('div', 'sdgen-dim', one.code)
    )
  })
  return every.length > 1 ? [element('div', 'sdgen-dim', texts.problems(every.length)), ...shown] : shown
}
