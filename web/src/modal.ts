/** A window over the page that keeps its keys to itself: what is typed in it never reaches the canvas below. */

import { button, element } from './dom'

/** Everything that ComfyUI listens to on the page or the window. */
const KEPT = ['keydown', 'keyup', 'keypress', 'copy', 'cut', 'paste', 'wheel', 'dragover', 'drop', 'contextmenu']
const POINTER = ['pointerdown', 'pointermove', 'pointerup', 'mousedown']

/** Open a window of class `sdgen-…`. `closed` is called once, when it has gone: by its cross, by Escape or by `close`. */
export function openModal(
  kind: string,
  title: string,
  content: HTMLElement[],
  closeText: string,
  closed: () => void
): HTMLDialogElement {
  const cross = button('✕', () => {
    made.close()
  })
  cross.classList.add('sdgen-cross')
  cross.title = closeText
  cross.setAttribute('aria-label', closeText)
  const made = openLayer(`sdgen-modal sdgen-${kind}`, title, [element('div', 'sdgen-modal-head', element('b', '', title), cross), ...content], closed)
  return made
}

/** Open a bare layer over the page; a press beside it or Escape closes it. */
export function openLayer(className: string, label: string, content: HTMLElement[], closed: () => void): HTMLDialogElement {
  const made = document.createElement('dialog')
  made.className = className
  made.setAttribute('aria-label', label)
  made.append(...content)
  for (const event of [...KEPT, ...POINTER]) {
    made.addEventListener(event, (happened) => {
      happened.stopPropagation()
    })
  }
  made.addEventListener('mousedown', (event) => {
    if (event.target === made && !inside(made, event)) made.close() // a press beside the window
  })
  made.addEventListener('close', () => {
    made.remove()
    closed()
  })
  document.body.append(made)
  made.showModal()
  return made
}

function inside(box: HTMLElement, { clientX, clientY }: MouseEvent): boolean {
  const { left, right, top, bottom } = box.getBoundingClientRect()
  return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom
}

/** A field to search in; Escape empties it first and closes the window only then. */
export function searchBox(label: string, changed: () => void): HTMLInputElement {
  const box = document.createElement('input')
  box.type = 'text'
  box.className = 'sdgen-search'
  box.placeholder = label
  box.setAttribute('aria-label', label)
  box.spellcheck = false
  box.addEventListener('input', changed)
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !box.value) return
    event.preventDefault()
    box.value = ''
    changed()
  })
  return box
}

/** Whether a text holds every word of the search, in any order and case. */
export function matches(text: string, search: string): boolean {
  const folded = text.toLocaleLowerCase()
  return search
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => folded.includes(word))
}
