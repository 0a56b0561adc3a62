/** The list in which a template's theme and style are chosen. */

import { element } from './dom'
import { matches, openModal, searchBox } from './modal'
import type { Texts } from './texts'

/** A theme as POST /sdgen/templates/themes describes it; the one without a name is none. */
export interface ThemeOffer {
  name: string
  title: string
  tags: string[]
  styles: string[]
  problem: string
}

interface Line {
  shown: HTMLElement
  words: string
}

/** Open it. `chosen` gets the theme and the style that the user takes. */
export function openThemes(
  offers: ThemeOffer[],
  name: string,
  current: { theme: string; style: string },
  texts: Texts,
  chosen: (theme: string, style: string) => void
): HTMLDialogElement {
  const list = element('div', 'sdgen-themes')
  const lines = offers.flatMap((offer) => ['', ...offer.styles].map((style) => line(offer, style)))
  const search = searchBox(texts.searchThemes, show)
  const modal = openModal('theme-dialog', texts.themesOf(name), [search, list], texts.cancel, () => undefined)

  function line(offer: ThemeOffer, style: string): Line {
    const made = document.createElement('button')
    made.type = 'button'
    made.className = style ? 'sdgen-theme sdgen-style' : 'sdgen-theme'
    const label = style || offer.name || texts.noTheme
    const title = !style && offer.title !== offer.name && offer.title
    const detail = style ? '' : [title, ...offer.tags].filter(Boolean).join(' · ')
    made.append(
      element('span', 'sdgen-key', label),
      element('span', 'sdgen-dim', detail || (offer.styles.length && !style ? texts.defaultStyle : ''))
    )
    if (offer.problem && !style) made.append(element('span', 'sdgen-bad', offer.problem))
    if (offer.name === current.theme && (style === current.style || (!style && current.style === 'default'))) {
      made.setAttribute('aria-current', 'true')
    }
    made.addEventListener('click', () => {
      modal.close()
      chosen(offer.name, style)
    })
    return { shown: made, words: [offer.name, offer.title, style, ...offer.tags].join(' ') }
  }

  function show(): void {
    const wanted = search.value.trim()
    const found = lines.filter(({ words }) => matches(words, wanted)).map(({ shown }) => shown)
    list.replaceChildren(...(found.length ? found : [element('div', 'sdgen-dim', texts.nothingFound)]))
  }

  modal.addEventListener('keydown', (event) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }
    const shown = [...list.querySelectorAll('button')]
    const at = shown.findIndex((one) => one === event.target)
    const step = steps[event.key]
    if (event.key === 'Enter' && event.target === search) shown[0]?.click()
    else if (step === undefined || (event.target === search && event.key !== 'ArrowDown')) return
    else if (at + step < 0 && event.key === 'ArrowUp') search.focus()
    else shown[Math.min(Math.max(at + step, 0), shown.length - 1)]?.focus()
    event.preventDefault()
  })
  show()
  if (offers.length === 1 && !offers[0]?.styles.length) list.append(element('div', 'sdgen-dim', texts.noThemes))
  search.focus()
  list.querySelector('[aria-current]')?.scrollIntoView({ block: 'center' })
  return modal
}
