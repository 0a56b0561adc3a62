/** What a template would make: the question to the server, and its answer as elements. */

import { element } from './dom'
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
  seeds?: string
  count?: number
}

export interface Placeholder {
  name: string
  available: number
  selected: number
  weight: number
}

export interface Preview {
  name: string
  mode: string
  placeholders: Placeholder[]
  removed: string[]
  combinations: number
  total_combinations: number
  seeds: number | null
  images: number
  warnings: string[]
  first: { prompt: string; negative: string; seed: number; keys: Record<string, string> }[]
}

/** Ask the server. Throws `ServerError` with the template's own error. */
export async function askPreview(question: Question, signal: AbortSignal): Promise<Preview> {
  return (await post('/sdgen/templates/preview', question, signal)) as Preview
}

/** The lines of a preview. */
export function previewElements(preview: Preview, texts: Texts, language: string): HTMLElement[] {
  const lines = [
    element(
      'div',
      'sdgen-head',
      element('b', 'sdgen-name', preview.name),
      element('span', 'sdgen-dim', texts.mode[preview.mode] ?? preview.mode)
    )
  ]
  if (preview.placeholders.length) {
    lines.push(element('div', 'sdgen-chips', ...preview.placeholders.map((one) => chip(one, texts))))
  }
  lines.push(element('div', 'sdgen-total', ...total(preview, texts)))
  if (preview.removed.length) lines.push(element('div', 'sdgen-dim', texts.removed(preview.removed.join(', '))))
  lines.push(...preview.warnings.map((warning) => element('div', 'sdgen-warning', warning)))
  if (preview.first.length) {
    const prompts = preview.first.map((item, at) => {
      const line = element('div', 'sdgen-prompt', element('span', 'sdgen-dim', number(at + 1, language)), item.prompt)
      line.title = item.negative ? `${item.prompt}\n\n− ${item.negative}` : item.prompt
      return line
    })
    lines.push(element('div', 'sdgen-prompts', ...prompts))
  }
  return lines
}

function chip(placeholder: Placeholder, texts: Texts): HTMLElement {
  const made = element(
    'span',
    placeholder.weight === 0 ? 'sdgen-chip sdgen-drawn' : 'sdgen-chip',
    element('span', '', placeholder.name),
    element('b', '', texts.selected(placeholder.selected, placeholder.available)),
    placeholder.weight === 0 && element('i', '', texts.drawn)
  )
  if (placeholder.weight === 0) made.title = texts.drawnTip
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

/** An error with its code and what to do about it. */
export function errorElements(error: unknown, texts: Texts): HTMLElement[] {
  if (!(error instanceof ServerError)) return [element('div', 'sdgen-error', texts.noAnswer)]
  return [
    element('div', 'sdgen-error', element('div', 'sdgen-message', error.message), error.hint && element('div', '', error.hint)),
    element('div', 'sdgen-dim', error.code)
  ]
}
