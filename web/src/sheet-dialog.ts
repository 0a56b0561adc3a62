/** A session's images beside each other: any two axes, as a picture here and as a page of its own. */

import { element } from './dom'
import { address, get, getFile } from './host'
import { Latest } from './latest'
import { openModal } from './modal'
import { errorElements } from './preview'
import { route, type Session } from './sessions'
import type { Texts } from './texts'

/** Open the sheet of a session. Throws `ServerError` when there is nothing to compare. */
export async function openSheet(session: Session, texts: Texts, closed: () => void): Promise<HTMLDialogElement> {
  const { axes } = (await get(`${route(session)}/axes`)) as { axes: Record<string, string[]> }
  const names = Object.keys(axes).length > 0 ? Object.keys(axes) : ['seed']
  const across = choice(texts.across, names, names[0])
  const down = choice(texts.down, names, names[1] ?? names[0])
  const picture = document.createElement('img')
  picture.className = 'sdgen-sheet'
  const view = element('div', 'sdgen-sheet-view')
  view.tabIndex = 0
  const [page, file] = [link(texts.openPage), link(texts.savePicture)]
  page.target = '_blank'
  page.rel = 'noopener'
  const clean = (): void => {
    if (picture.src) URL.revokeObjectURL(picture.src)
  }
  const latest = new Latest<string, Blob>(
    (query, signal) => getFile(`${route(session)}/sheet?${query}`, signal),
    (blob) => {
      clean()
      picture.src = URL.createObjectURL(blob)
      picture.alt = `${texts.compare}: ${across.select.value} × ${down.select.value}`
      file.href = picture.src
      file.download = `${session.name}_${across.select.value}_${down.select.value}.png`
      view.replaceChildren(picture)
    },
    (error) => {
      view.replaceChildren(...errorElements(error, texts))
    },
    0
  )
  const draw = (): void => {
    const query = new URLSearchParams({ x: across.select.value, y: down.select.value }).toString()
    page.href = address(`${route(session)}/sheet?${query}&form=html`)
    if (latest.update(query)) view.replaceChildren(element('div', 'sdgen-dim', texts.drawing))
  }
  across.select.addEventListener('change', draw)
  down.select.addEventListener('change', draw)
  const modal = openModal(
    'sheet-dialog',
    `${texts.compare.replace(/ …$/, '')}: ${session.name}`,
    [element('div', 'sdgen-sheet-axes', across.label, down.label, page, file), view],
    texts.cancel,
    () => {
      latest.clear()
      clean()
      closed()
    }
  )
  draw()
  across.select.focus()
  return modal
}

function choice(text: string, names: string[], chosen = ''): { label: HTMLElement; select: HTMLSelectElement } {
  const select = document.createElement('select')
  select.append(...names.map((name) => new Option(name, name, name === chosen, name === chosen)))
  return { label: element('label', 'sdgen-field', element('span', '', text), select), select }
}

function link(text: string): HTMLAnchorElement {
  const made = document.createElement('a')
  made.className = 'sdgen-button'
  made.textContent = text
  return made
}
